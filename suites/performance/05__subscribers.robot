*** Settings ***
Documentation    Many subscribers of jobs at the same time receive what a single one would.

Resource         ../../resources/common.resource
Resource         ../../resources/load.resource

Test Tags        criterion:PERF-12    load    slow


*** Test Cases ***
Many Subscribers Listen At Once
    [Metadata]    Criterion    PERF-12
    Subscribe Many
    Record Subscribers Figures    subscribers_at_once    subscribers_asked_for    subscribers_cpu    subscribers_lag_p99
    ${allowed} =    Get Subscribers Figure    subscribers_allowed
    Get Subscribers Figure    subscribers_at_once    ==    ${allowed}

Every Subscriber Receives Every Status Once And In Order
    [Metadata]    Criterion    PERF-12
    Subscribe Many
    Record Subscribers Figures    events_lost    events_doubled    events_disordered    delivery_latency
    Get Subscribers Figure    events_lost    ==    0
    Get Subscribers Figure    events_doubled    ==    0
    Get Subscribers Figure    events_disordered    ==    0
    Get Subscribers Figure    subscribers_with_a_problem    ==    0
