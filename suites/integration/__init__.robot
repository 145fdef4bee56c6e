*** Settings ***
Documentation    The deployment does, end to end, what the local integration did.

Resource         ../../resources/common.resource
Resource         ../../resources/protection.resource
Resource         ../../resources/connection.resource

Suite Setup      Begin What Takes Its Time


*** Keywords ***
Begin What Takes Its Time
    [Documentation]    What later suites look at, begun now so that nobody waits for it; what goes wrong is told there.
    An Upload Address Is Left To Expire
    Connections Are Left To Idle
