*** Settings ***
Documentation    The deployment does, end to end, what the local integration did.

Resource         ../../resources/common.resource
Resource         ../../resources/documents.resource
Resource         ../../resources/idle_channels.resource

Suite Setup      Begin What Takes Its Time


*** Keywords ***
Begin What Takes Its Time
    [Documentation]    An upload address that expires unused, and connections that idle for a minute: begun now and checked by later
    ...                suites, so that no test waits for them; failures are reported there.
    Begin Expiring Upload
    Idle Channels Are Open
