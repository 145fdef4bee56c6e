*** Settings ***
Documentation    Copy this file, name what it is about, and replace the tests. It is itself a suite that runs.

# First, always: opens the deployment, keeps secrets out of the log, records how each test ends.
Resource         ../resources/common.resource
# Then the nouns that your tests speak of: users, documents, chat, events, routes, deployment.
Resource         ../resources/users.resource
Resource         ../resources/documents.resource


*** Test Cases ***
A Document Is Listed Once It Is Uploaded
    [Documentation]    One promise per test, in 3 to 8 steps. A test of a criterion names it:
    ...                `[Metadata]    Criterion    INT-05`, and `[Tags]    criterion:INT-05`; then the run judges it.
    [Tags]    template
    Given Alice is signed in
    ${upload} =    Upload Document    note    user=Alice
    When Wait Until Processed    ${upload}
    Then Get Document    ${upload}    status    ==    complete
    And Get Documents    document_id    contains    ${upload.document_id}    user=Alice
