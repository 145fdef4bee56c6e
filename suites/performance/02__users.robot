*** Settings ***
Documentation    Users who work through every flow at the same time are all served, and none of them gets what belongs to another.

Resource         ../../resources/common.resource
Resource         ../../resources/load.resource

Test Tags        criterion:PERF-12    load    slow


*** Test Cases ***
Many Users Are At Work At Once
    [Metadata]    Criterion    PERF-12
    Run Users At Once
    Record Users Figures    users_at_once    users_at_once_most    requests_at_once_most    requests_per_second
    Users Generator Should Have Kept Up
    ${limit} =    Get Criterion Limit    PERF-12    users_at_once
    Get Users Figure    users_at_once    >=    ${limit}
    Users Should Have Taken Every Flow

Few Requests Of Users At Once Fail
    [Metadata]    Criterion    PERF-12
    Run Users At Once
    ${limit} =    Get Criterion Limit    PERF-12    error_rate
    Get Users Figure    error_rate    <    ${limit}

Users At Once Get Their First Byte In Time
    [Documentation]    On average over all calls that no model bounds.
    [Metadata]    Criterion    PERF-12
    Run Users At Once
    Record Users Figures    mean_first_byte_30_users    mean_first_byte_50_users    mean_first_byte_30_users_model_bound
    ${limit} =    Get Criterion Limit    PERF-12    mean_first_byte_30_users
    Get Users Figure    mean_first_byte_30_users    <=    ${limit}

Every Document Of The Users Is Complete
    [Metadata]    Criterion    PERF-12
    Run Users At Once
    Get Users Figure    documents_completed    ==    100
