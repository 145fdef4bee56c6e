*** Settings ***
Documentation    All four stages run, in order, leave what they should, and are quick enough.

Resource         ../../resources/common.resource
Resource         ../../resources/pipeline.resource


*** Test Cases ***
Every Stage Runs Once And In Order
    [Metadata]    Criterion    INT-06
    [Tags]    criterion:INT-06    needs-sql
    Given handbooks and catalogue were processed
    Then no document has a problem with its events

Realtime And Its Replay Report Every Stage
    [Metadata]    Criterion    INT-06
    [Tags]    criterion:INT-06    needs-sql
    Given the handbooks were observed while they were processed
    Then no document has a problem with its realtime events
    And no document has a problem with its replayed events

The Parsed Text Holds What The Document Says
    [Metadata]    Criterion    INT-06
    [Tags]    criterion:INT-06    needs-sql
    Given handbooks and catalogue were processed
    Then no document has a problem with its text

Chunks Cover The Text Without Loss
    [Metadata]    Criterion    INT-06
    [Tags]    criterion:INT-06    needs-sql
    Given handbooks and catalogue were processed
    Then no document has a problem with its chunks

Every Chunk Has Its Vector
    [Metadata]    Criterion    INT-06
    [Tags]    criterion:INT-06    needs-sql
    Given handbooks and catalogue were processed
    Then no document has a problem with its vectors

Vectors Lie Near Their Own Texts
    [Metadata]    Criterion    INT-06
    [Tags]    criterion:INT-06    needs-sql
    Given the handbooks were observed while they were processed
    Then Get Misplaced Vectors    ${DOCUMENTS}    ==    ${NO PROBLEMS}

A Sentence Is Found Where It Stands
    [Metadata]    Criterion    INT-06
    [Tags]    criterion:INT-06    needs-sql
    Given the handbooks were observed while they were processed
    Then each sentence cites its chunk first    ${DOCUMENTS}[0]

Complete Means That All Of It Is There
    [Metadata]    Criterion    INT-06
    [Tags]    criterion:INT-06    needs-sql
    Given the handbooks were observed while they were processed
    Then no document has a problem with its claims

Progress Only Rises
    [Metadata]    Criterion    INT-06
    [Tags]    criterion:INT-06    needs-sql
    Given the handbooks were observed while they were processed
    Then no document has a problem with its progress

Valid Documents Complete
    [Metadata]    Criterion    INT-13
    [Tags]    criterion:INT-13
    Every Valid Document Is Complete

Processing Is Quick Enough
    [Metadata]    Criterion    INT-13
    [Tags]    criterion:INT-13
    Each Valid Document Was Processed In Time
