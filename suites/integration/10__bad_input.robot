*** Settings ***
Documentation    Bad input is refused as documented, or fails for a reason that its user can read, and leaves nothing behind.

Resource         ../../resources/common.resource
Resource         ../../resources/negative_inputs.resource

Test Tags        criterion:INT-12


*** Test Cases ***
Every Parameter Of The Contract Has Negative Inputs
    [Metadata]    Criterion    INT-12
    Get Uncovered Parameters    ==    ${NO PROBLEMS}

Negative Inputs Of Every Parameter Are Refused
    [Metadata]    Criterion    INT-12
    [Template]    Each ${kind} route refuses its negative inputs
    public
    user
    owner
    signature

A Malformed Body Is Refused
    [Metadata]    Criterion    INT-12
    Given the tester has what can be had
    Then each malformed body is refused
    And nothing has changed

Channels Of Nothing Are Closed
    [Metadata]    Criterion    INT-12
    Given the tester has a document and a conversation
    Then the channel of each wrong identifier is closed
    And a wrong number to begin after harms no channel

Odd File Names Are Kept
    [Metadata]    Criterion    INT-12
    Given the tester has what can be had
    When documents with odd names are processed
    Then each keeps the name that was sent
    And deleting them leaves nothing behind

Wrong Bytes Are Refused And The Right Ones Then Accepted
    [Metadata]    Criterion    INT-12
    Given the tester has what can be had
    ${sender} =    Get User With Uploads Left    Tester
    ${UPLOAD} =    Announce Upload    note    user=${sender}
    VAR    ${UPLOAD}    ${UPLOAD}    scope=TEST
    When wrong bytes are refused
    Then the right bytes are then accepted

Documents That May Not Be Uploaded Are Refused
    [Metadata]    Criterion    INT-12
    Given the tester has what can be had
    Then each unacceptable document is refused
    And nothing has changed

Documents That Cannot Be Read Fail With A Reason
    [Metadata]    Criterion    INT-12
    Given the tester has what can be had
    When each unreadable document fails with its reason
    Then they do not change any more
    And deleting them leaves nothing behind

A Failed Job Can Be Retried
    [Metadata]    Criterion    INT-12
    Need Offered    routes.job_retry
    Given Create User    Renee
    @{tried} =    Try Documents    ${{['encrypted']}}    user=Renee
    ${upload} =    Need Accepted    ${tried}[0]
    ${status} =    Get Job    ${upload}    status
    When Retry Job    ${upload}
    And Wait Until Job Ends    ${upload}
    Then Get Job    ${upload}    status    ==    ${status}

A Complete Job Cannot Be Retried
    [Metadata]    Criterion    INT-12
    Given the tester has a document and a conversation
    Then Retry Job    ${DATA.upload}    expected=retry_not_allowed
    And Get Job    ${DATA.upload}    status    ==    ${DATA.upload.job}[status]

Jobs At Once Are Limited As Advertised
    [Metadata]    Criterion    INT-12
    Given Create User    Kim
    ${at_once} =    Upload One Too Many    jobs at once    user=Kim
    Then Record Figure    INT-12    jobs_accepted_at_once    ${at_once}    jobs

Uploads A Day Are Limited As Advertised
    [Metadata]    Criterion    INT-12
    Given Create User    Lee
    ${in_a_day} =    Upload One Too Many    uploads a day    user=Lee
    Then Record Figure    INT-12    uploads_tried_in_a_day    ${in_a_day}    uploads
