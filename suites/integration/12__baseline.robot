*** Settings ***
Documentation    The deployment behaves as the recorded functional baseline does; `make baseline` records one.

Resource         ../../resources/common.resource
Resource         ../../resources/services.resource


*** Test Cases ***
Behaviour Equals The Recorded Baseline
    [Metadata]    Criterion    INT-16
    [Tags]    needs-sql
    Documents and requests have the outcomes of the recorded baseline
