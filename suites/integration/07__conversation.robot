*** Settings ***
Documentation    A reader has two handbooks, each of a place that does not exist, each with twenty facts that differ in their figures.
...              Questions name the place that they mean. The conversation answers from that place's handbook, for the reader
...              only, and remembers what it is about.

Resource         ../../resources/common.resource
Resource         ../../resources/conversation.resource


*** Test Cases ***
The Answer Comes From The Right Document
    [Metadata]    Criterion    INT-07
    Every fact is answered with its figure from its document

The Source Contains The Answer
    [Metadata]    Criterion    INT-07
    [Tags]    needs-sql
    A cited chunk contains each figure and its sentence

The Other Document Answers For Its Own Place
    [Metadata]    Criterion    INT-07
    Questions about the other place are answered from its own document

Somebody Without Documents Finds Nothing
    [Metadata]    Criterion    INT-07
    Given Bob is signed in
    Then Bob finds neither figure nor source

Somebody With A Document Of Their Own Finds Nothing Of Another's
    [Metadata]    Criterion    INT-07
    Given Carol is signed in
    Then Carol with a handbook of another place finds nothing of the reader's

What The Documents Do Not Say Is Not Made Up
    [Metadata]    Criterion    INT-07
    What no document says is not answered with a figure

A Follow-Up Keeps Its Context
    [Metadata]    Criterion    INT-07
    Every follow-up is answered in the context of its question

A Fresh Conversation Knows Nothing Of Another
    [Metadata]    Criterion    INT-07
    A follow-up in a fresh conversation is not answered from another one

Two Conversations Do Not Mix
    [Metadata]    Criterion    INT-07
    Conversations in turns keep to their own place
