*** Settings ***
Documentation    The deployment does, end to end, what the local integration did.

Resource         ../../resources/common.resource
Resource         ../../resources/protection.resource
Resource         ../../resources/connection.resource

Suite Setup      Begin What Takes Its Time


*** Keywords ***
Begin What Takes Its Time
    [Documentation]    An upload address that shall expire unused, and connections that shall idle for a minute: begun now, looked at
    ...                by later suites, so that nobody waits for them; what goes wrong is told there.
    An Upload Address Is Left To Expire
    Connections Are Left To Idle
