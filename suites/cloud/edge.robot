*** Settings ***
Documentation    The edge answers by itself, quickly, and says where it is.

Resource         ../../resources/common.resource
Resource         ../../resources/edge.resource

Test Tags        criterion:CLOUD-03


*** Test Cases ***
The Probe Is Answered Quickly
    [Metadata]    Criterion    CLOUD-03
    Measure Edge    times=${PROBE REQUESTS}
    ${limit} =    Get Limit    CLOUD-03    edge_p95
    Get Edge Figure    edge_p95    <=    ${limit}    times=${PROBE REQUESTS}

The Parts Of A Call Are Known
    [Metadata]    Criterion    CLOUD-03
    Measure Edge    times=${PROBE REQUESTS}
    Record Edge Times    cold_start    dns_time    connect_time    tls_time    first_byte    line_subtracted

The Region Is Known
    [Metadata]    Criterion    CLOUD-03
    ${probe} =    Call Route    edge_probe
    ${function} =    Get Response Field    ${probe}    region
    ${edge} =    Get Edge Region    ${probe}    !=    ${None}
    Record Figure    CLOUD-03    region of the edge    ${edge}    text
    Record Figure    CLOUD-03    region of the function    ${function}    text

The Middleware Marks The Probe
    [Metadata]    Criterion    CLOUD-03
    ${probe} =    Call Route    edge_probe
    Get Middleware Mark    ${probe}    !=    ${None}

The Middleware Rewrites Addresses
    [Metadata]    Criterion    CLOUD-03
    Every Rewrite Shows Its Page
