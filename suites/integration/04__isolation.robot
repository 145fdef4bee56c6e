*** Settings ***
Documentation    What is one user's is out of every other user's reach, whatever they try.

Resource         ../../resources/common.resource
Resource         ../../resources/isolation.resource


*** Test Cases ***
Lists Show What Is One's Own And Nothing Else
    [Metadata]    Criterion    INT-04
    Given Alice has a document and a conversation about it
    And Bob has a document and a conversation about it
    Then the lists of Bob show nothing of Alice
    And the lists of Alice show nothing of Bob

Another User's Things Are As Good As Unknown
    [Metadata]    Criterion    INT-04
    Given Alice has a document and a conversation about it
    And Bob has a document and a conversation about it
    Then no route lets Bob reach what Alice has

The Storage Itself Keeps Bytes For Their Owner
    [Metadata]    Criterion    INT-04
    Given Alice has a document and a conversation about it
    And Bob has a document and a conversation about it
    Then the storage gives the bytes of Alice neither to Bob nor to nobody

Questions About Another User's Facts Find Nothing
    [Metadata]    Criterion    INT-04
    Given Alice has a document and a conversation about it
    And Bob has a document and a conversation about it
    And Carol is signed in
    Then Bob is told none of the facts of Alice
    And Carol is told none of the facts of Alice

The Database Keeps Owners Apart
    [Metadata]    Criterion    INT-04
    [Tags]    needs-sql
    Given Alice has a document and a conversation about it
    And Bob has a document and a conversation about it
    When Bob is told none of the facts of Alice
    Then the database keeps Alice and Bob apart

Another User's Conversation Cannot Be Joined
    [Metadata]    Criterion    INT-04
    Given Alice has a document and a conversation about it
    And Bob has a document and a conversation about it
    Then Bob cannot join the conversation of Alice

Another User's Events Cannot Be Heard
    [Metadata]    Criterion    INT-04
    Given Alice has a document and a conversation about it
    And Bob has a document and a conversation about it
    Then Bob cannot listen to the events of Alice

The Same Content Of Two Users Stays Apart
    [Metadata]    Criterion    INT-04
    [Tags]    needs-sql
    Given Dora is signed in
    And Emil is signed in
    When Dora and Emil upload the same content at the same time
    Then Dora is answered from nobody else's copy
    And Emil is answered from nobody else's copy
    And the database holds the copy of Dora as theirs
    And the database holds the copy of Emil as theirs
    And deleting the copy of Dora leaves the copy of Emil whole
