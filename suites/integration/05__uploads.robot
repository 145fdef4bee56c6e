*** Settings ***
Documentation    An uploaded document arrives whole, for its owner, once, and up to the limit.

Resource         ../../resources/common.resource
Resource         ../../resources/documents.resource
Resource         ../../resources/users.resource


*** Test Cases ***
Documents Arrive Whole
    [Metadata]    Criterion    INT-05
    [Tags]    criterion:INT-05
    Each Arrives Whole    longest-name    multicolumn    base64image

The Database Names The Owner And What Was Announced
    [Metadata]    Criterion    INT-05
    [Tags]    criterion:INT-05    needs-sql
    [Template]    The Database Names The Owner Of A Processed Document
    longest-name
    multicolumn
    base64image

The Same Content Again Is A Duplicate
    [Metadata]    Criterion    INT-05
    [Tags]    criterion:INT-05    needs-sql
    Given Alice is signed in
    ${first} =    Upload Document    note
    ${time} =    The Same Content Is Refused    ${first}
    ${later} =    Upload Document    note    seed=1
    Wait Until Processed    ${first}    ${later}
    Every Announcement Of The Same Content Is Refused    ${first}    ${time}    ${first.payload.filename}    ${later.payload.filename}
    Then Alice has only these documents    ${first}    ${later}

The Same Content Sent At The Same Time Is Accepted Once
    [Metadata]    Criterion    INT-05
    [Tags]    criterion:INT-05    needs-sql
    Given Alice is signed in
    When Alice announces 10 times at once    note
    Then one announcement is accepted
    And the accepted document can be processed
    And Alice has only these documents    ${UPLOAD}

The Same Content Of Another User Is No Duplicate
    [Metadata]    Criterion    INT-05
    [Tags]    criterion:INT-05    needs-sql
    Given Alice is signed in
    And Bob is signed in
    When the users upload the same content    note    Alice    Bob
    Then every upload is the only one of its owner

A Document At The Limit Goes Through
    [Metadata]    Criterion    INT-11
    [Tags]    criterion:INT-11
    Given Alice is signed in
    And Bob is signed in
    And Carol is signed in
    When the users upload the same content    at-limit    Alice    Bob    Carol
    ${throughput} =    Get Upload Throughput    ${UPLOADS}    >    0
    Record Figure    INT-11    upload_throughput    ${throughput}    MB/s    samples=3
    Then every upload goes through

A Document Over The Limit Is Refused When It Is Announced
    [Metadata]    Criterion    INT-11
    [Tags]    criterion:INT-11
    Given Alice is signed in
    And the records of Alice are known
    When announce upload    over-limit    user=Alice    expected=too_large
    Then the records are unchanged

Bytes Over The Limit Are Refused Before They Are Sent
    [Metadata]    Criterion    INT-11
    [Tags]    criterion:INT-11
    Given Alice is signed in
    ${upload} =    Announce Upload    note
    When send headers    ${upload}    over-limit    expected=wrong_bytes
    And send bytes    ${upload}
    Then the upload goes through    ${upload}
