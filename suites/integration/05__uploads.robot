*** Settings ***
Documentation    An uploaded document arrives whole, for its owner, once, and up to the limit.

Resource         ../../resources/common.resource
Resource         ../../resources/upload.resource


*** Test Cases ***
Documents Arrive Whole
    [Metadata]    Criterion    INT-05
    [Template]    Document ${document} arrives whole
    longest-name
    multicolumn
    base64image

The Database Names The Owner And What They Announced
    [Metadata]    Criterion    INT-05
    [Tags]    needs-sql
    [Template]    The database holds document ${document} for its owner
    longest-name
    multicolumn
    base64image

The Same Content Again Is A Duplicate
    [Metadata]    Criterion    INT-05
    [Tags]    needs-sql
    Given Alice is signed in
    Then Alice cannot upload the same content twice

The Same Content Sent At The Same Time Is Taken Once
    [Metadata]    Criterion    INT-05
    [Tags]    needs-sql
    Given Alice is signed in
    Then of the same content sent 10 times at once by Alice one is taken

The Same Content Of Another User Is No Duplicate
    [Metadata]    Criterion    INT-05
    [Tags]    needs-sql
    Given Alice is signed in
    And Bob is signed in
    Then Alice and Bob can both upload the same content

A Document At The Limit Goes Through
    [Metadata]    Criterion    INT-11
    Given Alice is signed in
    And Bob is signed in
    And Carol is signed in
    Then documents at the limit of Alice, Bob and Carol go through

A Document Over The Limit Is Refused When It Is Announced
    [Metadata]    Criterion    INT-11
    Given Alice is signed in
    Then a document one byte over the limit is refused to Alice

Bytes Over The Limit Are Refused Before They Are Sent
    [Metadata]    Criterion    INT-11
    Given Alice is signed in
    Then bytes over the limit are refused to Alice before they are sent
