*** Settings ***
Documentation    The database answers the contract's named queries quickly, whatever the line to it is like.

Resource         ../../resources/common.resource
Resource         ../../resources/performance.resource

Test Tags        criterion:PERF-11    needs-sql


*** Test Cases ***
Every Named Query Is Answered Quickly
    [Metadata]    Criterion    PERF-11
    Create Documents To Query
    ${queries} =    Measure Database
    Record Query Times    @{queries}
    Every Named Query Should Be Answered
    Database Figure Should Keep Its Limit    query_p95    <
    Get Database Figure    line_subtracted
    Record Database Counters

No Answer Of The Database Takes Long
    [Metadata]    Criterion    PERF-11
    Create Documents To Query
    Measure Database
    Every Named Query Should Be Answered
    Database Figure Should Keep Its Limit    query_slowest    <=

Connecting To The Database Is Quick
    [Metadata]    Criterion    PERF-11
    Create Documents To Query
    Measure Database
    Database Figure Should Keep Its Limit    connect_time    <
