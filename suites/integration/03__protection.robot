*** Settings ***
Documentation    Protected routes are protected: a bad credential is refused everywhere, and the attempt changes nothing.

Resource         ../../resources/common.resource
Resource         ../../resources/routes.resource

Suite Setup      Begin Expiring Upload

Test Tags        criterion:INT-03


*** Test Cases ***
The Matrix Covers Every Route Of The Contract
    [Documentation]    An addition to the contract must be tried too: a route, a WebSocket, or a kind of bad credential.
    [Metadata]    Criterion    INT-03
    ${cells} =    Get Matrix Size
    Record Figure    INT-03    cells    ${cells}    cells

The Application Has No Route Beside Its Contract
    [Documentation]    What nobody described is protected by nothing that is tried here: neither a route that OpenAPI names, nor one
    ...    that the contract marks absent.
    [Metadata]    Criterion    INT-03
    Given Create User    Alice
    Then Get Undescribed Routes    ==    ${NO PROBLEMS}    user=Alice

A Good Token Is Accepted
    [Metadata]    Criterion    INT-03
    Given the victim has a document and a conversation, the attacker has nothing
    Then every route accepts the token of the owner
    And Target Should Have    ${DATA}

A Good Token Opens WebSockets
    [Metadata]    Criterion    INT-03
    Given the victim has a document and a conversation, the attacker has nothing
    Then every WebSocket accepts the token of the owner
    And Target Should Have    ${DATA}

Public Routes Need No Credential
    [Metadata]    Criterion    INT-03
    [Setup]    The Victim Has A Document And A Conversation, The Attacker Has Nothing
    [Template]    Every Public Route Accepts
    none
    garbage
    wrong_signature
    alg_none

Public Routes Accept An Expired Token
    [Metadata]    Criterion    INT-03
    Given the victim has a document and a conversation, the attacker has nothing
    Then every public route accepts    expired

No Route Accepts A Missing Token
    [Metadata]    Criterion    INT-03
    Given the victim has a document and a conversation, the attacker has nothing
    Then no route accepts    none
    And nothing has changed

No Route Accepts Garbage
    [Metadata]    Criterion    INT-03
    Given the victim has a document and a conversation, the attacker has nothing
    Then no route accepts    garbage
    And nothing has changed

No Route Accepts A Wrong Signature
    [Metadata]    Criterion    INT-03
    Given the victim has a document and a conversation, the attacker has nothing
    Then no route accepts    wrong_signature
    And nothing has changed

No Route Accepts A Token Without A Signature
    [Metadata]    Criterion    INT-03
    Given the victim has a document and a conversation, the attacker has nothing
    Then no route accepts    alg_none
    And nothing has changed

No Route Accepts An Expired Token
    [Metadata]    Criterion    INT-03
    Given the victim has a document and a conversation, the attacker has nothing
    Then no route accepts    expired
    And nothing has changed

No Route Accepts Another User's Token
    [Metadata]    Criterion    INT-03
    Given the victim has a document and a conversation, the attacker has nothing
    Then no route accepts the attacker
    And nothing has changed

Badly Signed Webhooks Change Nothing
    [Metadata]    Criterion    INT-03
    Given the victim has a document and a conversation, the attacker has nothing
    And Target Should Have    ${DATA}    upload
    When forged webhooks are refused    ${DATA.upload}
    Then nothing has changed

Badly Signed Webhooks Do Not Begin A Job
    [Metadata]    Criterion    INT-03
    Given Create User    Carol
    And Carol has announced    note    seed=302
    When forged webhooks are refused    ${UPLOAD}
    Then the job is unchanged

Repeated Webhooks Change Nothing
    [Metadata]    Criterion    INT-03
    Need Offered    routes.webhook
    Need    webhook-secret
    Given the victim has a document and a conversation, the attacker has nothing
    And Target Should Have    ${DATA}    upload
    When repeated webhooks are accepted    ${DATA.upload}    times=5
    Then nothing has changed    seconds=1

Repeated Webhooks Do Not Disturb The Processing
    [Metadata]    Criterion    INT-03
    Need Offered    routes.webhook
    Need    webhook-secret
    Given Create User    Alice
    And Alice has announced    note    seed=303
    When Send Bytes    ${UPLOAD}
    And Repeat Webhook Until Processed    ${UPLOAD}    parse.success
    Then each status was passed once    ${UPLOAD}
    And no chunk is stored twice    ${UPLOAD}

A Forged Upload Address Stores Nothing
    [Metadata]    Criterion    INT-03
    Given Create User    Alice
    And Alice has announced    note    seed=305
    VAR    ${other}    ${UPLOAD}
    And Alice has announced    note    seed=304
    When every forged address is refused    ${UPLOAD}    ${other}
    Then nothing is stored    ${UPLOAD}
    And nothing is stored    ${other}
    And the job is unchanged
    And Send Bytes    ${UPLOAD}

A Used Upload Address Stores Nothing
    [Metadata]    Criterion    INT-03
    Given Create User    Alice
    And Alice has announced    note    seed=306
    When Send Bytes    ${UPLOAD}
    Then Send Bytes    ${UPLOAD}    expected=used
    And Send Bytes    ${UPLOAD}    ${UPLOAD.payload.altered}    expected=used
    And Get Document Content    ${UPLOAD}    sha256    ==    ${UPLOAD.payload.sha256}

An Expired Upload Address Stores Nothing
    [Metadata]    Criterion    INT-03
    ${expiring} =    Get Expiring Upload
    The Address Works As Long As Announced    ${expiring}
    Send Bytes    ${expiring.upload}    expected=expired
    Nothing Is Stored    ${expiring.upload}
