*** Settings ***
Documentation    The database answers the contract's named queries quickly, whatever the line to it is like.

Resource         ../../resources/common.resource
Resource         ../../resources/performance.resource

Test Tags        needs-sql


*** Test Cases ***
Every Named Query Is Answered Quickly
    [Metadata]    Criterion    PERF-11
    Given a few documents are there to look for
    Then every named query is quick for ninety five in a hundred
    And the round trip that was subtracted is shown
    And what the database counted meanwhile is shown

No Answer Of The Database Takes Long
    [Metadata]    Criterion    PERF-11
    Given a few documents are there to look for
    Then not one answer took long

Connecting To The Database Is Quick
    [Metadata]    Criterion    PERF-11
    Given a few documents are there to look for
    Then a fresh connection is there at once
