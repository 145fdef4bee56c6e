*** Settings ***
Documentation    Users who work at the same time do not disturb each other.

Resource         ../../resources/common.resource
Resource         ../../resources/concurrency.resource


*** Test Cases ***
Ten Users At Once Each Get Their Own Fact
    [Metadata]    Criterion    INT-10
    Ten Users At Once Each Get Their Own Fact
