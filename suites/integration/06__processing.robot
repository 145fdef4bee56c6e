*** Settings ***
Documentation    All four stages run, in order, leave what they should, and are quick enough.

Resource         ../../resources/common.resource
Resource         ../../resources/processing.resource


*** Test Cases ***
Every Stage Runs Once And In Order
    [Metadata]    Criterion    INT-06
    [Tags]    needs-sql
    [Setup]    Need    sql
    [Template]    Every status of ${documents} came once and in order
    the handbooks
    the sample documents

The Parsed Text Holds What The Document Says
    [Metadata]    Criterion    INT-06
    [Tags]    needs-sql
    [Setup]    Need    sql
    [Template]    The parsed text of ${documents} holds all that they say
    the handbooks
    the sample documents

Chunks Cover The Text Without Loss
    [Metadata]    Criterion    INT-06
    [Tags]    needs-sql
    [Setup]    Need    sql
    [Template]    The chunks of ${documents} cover the text without loss
    the handbooks
    the sample documents

Every Chunk Has Its Vector
    [Metadata]    Criterion    INT-06
    [Tags]    needs-sql
    [Setup]    Need    sql
    [Template]    Every chunk of ${documents} has one vector of the right dimension
    the handbooks
    the sample documents

Vectors Lie Near Their Own Texts
    [Metadata]    Criterion    INT-06
    [Tags]    needs-sql
    Every vector lies near its own text

A Sentence Is Found Where It Stands
    [Metadata]    Criterion    INT-06
    [Tags]    needs-sql
    A sentence asked word for word is found in its chunk

Complete Means That All Of It Is There
    [Metadata]    Criterion    INT-06
    [Tags]    needs-sql
    All chunks and vectors were there when a document was called complete

Progress Only Rises
    [Metadata]    Criterion    INT-06
    [Tags]    needs-sql
    Progress only rose and was at its end with the document

Valid Documents Complete
    [Metadata]    Criterion    INT-13
    Every valid document is complete

Processing Is Quick Enough
    [Metadata]    Criterion    INT-13
    Each was processed in time
