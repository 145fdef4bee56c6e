*** Settings ***
Documentation    Users who work at the same time do not disturb each other.

Resource         ../../resources/common.resource
Resource         ../../resources/chat.resource

Test Tags        criterion:INT-10


*** Test Cases ***
Ten Users At Once Each Get Their Own Fact
    [Metadata]    Criterion    INT-10
    When 10 users upload and question a document of their own at once
    Then each user gets their own fact and nothing of another user
