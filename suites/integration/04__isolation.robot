*** Settings ***
Documentation    What is one user's is out of every other user's reach, by any route.

Resource         ../../resources/common.resource
Resource         ../../resources/isolation.resource

Test Tags        criterion:INT-04


*** Test Cases ***
Lists Hold What Is One's Own And Nothing Else
    [Metadata]    Criterion    INT-04
    Given Alice has a document and a conversation about it
    And Bob has a document and a conversation about it
    Then the lists of Bob hold what is Bob's own
    And the lists of Alice hold what is Alice's own
    And no list mentions Alice to Bob
    And no list mentions Bob to Alice

Another User's Data Is As Good As Unknown
    [Metadata]    Criterion    INT-04
    Given Alice has a document and a conversation about it
    And Bob has a document and a conversation about it
    And what Alice has is recorded
    Then every owner route answers Bob as if nothing of Alice existed
    And what Alice has is unchanged

The Storage Service Keeps Bytes For Their Owner
    [Metadata]    Criterion    INT-04
    Given Alice has a document and a conversation about it
    And Bob has a document and a conversation about it
    Then the storage service serves the bytes of Alice to their owner
    And the storage service refuses the bytes of Alice to    Bob    anonymous

Questions About Another User's Facts Find Nothing
    [Metadata]    Criterion    INT-04
    Given Alice has a document and a conversation about it
    And Bob has a document and a conversation about it
    And Carol is signed in
    When Bob asks for every fact of Alice
    Then every answer keeps to    ${OWNED.Bob.upload}    ${OWNED.Alice.upload}
    And no answer mentions Alice    own=${OWNED.Bob.upload}

Questions Of A User Without Documents Find Nothing
    [Metadata]    Criterion    INT-04
    Given Alice has a document and a conversation about it
    And Carol is signed in
    When Carol asks for every fact of Alice
    Then no answer has a figure or a source
    And no answer mentions Alice

The Database Keeps Owners Apart
    [Metadata]    Criterion    INT-04
    [Tags]    needs-sql
    Given Alice has a document and a conversation about it
    And Bob has a document and a conversation about it
    When Bob asks for every fact of Alice
    Then every answer keeps to    ${OWNED.Bob.upload}    ${OWNED.Alice.upload}
    And every cited chunk is of Bob's document
    And the database holds nothing of Alice for Bob
    And the database holds nothing of Bob for Alice

Another User's Conversation Cannot Be Joined
    [Metadata]    Criterion    INT-04
    Given Alice has a document and a conversation about it
    And Bob has a document and a conversation about it
    And what Alice has is recorded
    Then Bob cannot join the conversation of Alice
    And what Alice has is unchanged
    And the conversation of Alice goes on

Another User's Events Cannot Be Received
    [Metadata]    Criterion    INT-04
    Given Alice has a document and a conversation about it
    And Bob has a document and a conversation about it
    Then Bob cannot subscribe to the job of Alice
    And Bob cannot subscribe to the workflow of Alice

The Same Content Of Two Users Stays Apart
    [Metadata]    Criterion    INT-04
    Given Dora is signed in
    And Emil is signed in
    When Dora and Emil upload the same content at the same time
    Then each of them sees the events of their own job alone
    And each of them is answered from their own copy alone
    When Dora deletes their copy
    Then the copy of Emil is whole

The Database Keeps Two Users' Copies Of One Content Apart
    [Metadata]    Criterion    INT-04
    [Tags]    needs-sql
    Given Flora is signed in
    And Gwen is signed in
    When Flora and Gwen upload the same content at the same time
    Then the database names each of them as the owner of their own copy
