*** Settings ***
Documentation    How long one user waits for each endpoint without load, for the report. Measured once for both tests.

Resource         ../../resources/common.resource
Resource         ../../resources/performance.resource

Test Tags        criterion:PERF-06


*** Test Cases ***
Response Times Of Every Endpoint Are Known
    [Metadata]    Criterion    PERF-06
    Create Documents To Query
    ${endpoints} =    Measure Endpoints
    Get Failed Endpoints    ==    0
    Record Response Times    @{endpoints}

The Parts Of A Call Are Known
    [Metadata]    Criterion    PERF-06
    Create Documents To Query
    Measure Endpoints
    Get Failed Endpoints    ==    0
    Record Call Parts    dns_time    connect_time    tls_time
    Record Call Parts    total_over_kept_connections    total_over_fresh_connections    server_time_to_first_byte
