*** Settings ***
Documentation    A user has two handbooks, each of a place that does not exist, each with twenty facts that differ in their figures.
...              Questions name the place that they mean. The chat answers from that place's handbook, for its owner only, and
...              remembers what a conversation is about.

Resource         ../../resources/common.resource
Resource         ../../resources/chat.resource

Test Tags        criterion:INT-07


*** Variables ***
${STRANGERS QUESTIONS}    ${4}
${OTHER PLACE FACTS}      ${6}
${CONVERSATIONS}          ${3}    # pairs of them
${LONG DOCUMENT FACTS}    ${8}
${SAME QUESTIONS}         ${2}    # facts


*** Test Cases ***
The Answer Comes From The Right Document
    [Metadata]    Criterion    INT-07
    Given Reader has a handbook and its decoy
    When every fact of the handbook is asked for
    Then every fact is answered from its document

The Source Contains The Answer
    [Metadata]    Criterion    INT-07
    [Tags]    needs-sql
    Given Reader has a handbook and its decoy
    When every fact of the handbook is asked for
    Then a cited chunk holds each figure and its sentence

The Other Document Answers For Its Own Place
    [Metadata]    Criterion    INT-07
    Given Reader has a handbook and its decoy
    When Reader asks for facts of    ${DECOY}    first=${OTHER PLACE FACTS}
    Then every answer is from    ${DECOY}    other=${HANDBOOK}

The Same Question About Either Document Is Answered From That One
    [Metadata]    Criterion    INT-07
    Given Reader has a handbook and its decoy
    Then the same question is answered from the document that is meant    ${HANDBOOK}    ${DECOY}    ${SAME QUESTIONS}

A Long Document Is Answered From To Its Very End
    [Metadata]    Criterion    INT-07
    Given Lena is signed in
    When Lena has a long document of each accepted kind
    Then its facts are answered to the very end    ${LONG DOCUMENT FACTS}

A User Without Documents Finds Nothing
    [Metadata]    Criterion    INT-07
    Given Reader has a handbook and its decoy
    And Bob is signed in
    When Bob asks for facts of    ${HANDBOOK}    first=${STRANGERS QUESTIONS}
    Then no answer has a figure or a source

A User With A Document Finds Nothing Of Another User's
    [Metadata]    Criterion    INT-07
    Given Reader has a handbook and its decoy
    And Carol is signed in
    ${own} =    Get Processed Document    handbook    user=Carol    seed=700
    When Carol asks for facts of    ${HANDBOOK}    first=${STRANGERS QUESTIONS}
    Then every answer keeps to    ${own}    ${HANDBOOK}    ${DECOY}

What The Documents Do Not Say Is Not Made Up
    [Metadata]    Criterion    INT-07
    Given Reader has a handbook and its decoy
    When Reader asks    @{HANDBOOK.handbook.unanswered}
    Then no answer has a figure

A Follow-Up Keeps Its Context
    [Metadata]    Criterion    INT-07
    Given Reader has a handbook and its decoy
    When every fact of the handbook is asked for
    Then every follow-up is answered in the context of its question

A Fresh Conversation Knows Nothing Of Another
    [Metadata]    Criterion    INT-07
    Given Reader has a handbook and its decoy
    When every fact of the handbook is asked for
    Then a follow-up alone is not answered for one place    ${CONVERSATIONS}

Two Conversations Do Not Mix
    [Metadata]    Criterion    INT-07
    Given Reader has a handbook and its decoy
    Then conversations in turns keep to their own place    ${CONVERSATIONS}
