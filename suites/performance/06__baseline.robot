*** Settings ***
Documentation    Endpoint by endpoint, the load of this deployment beside the recorded local run.

Resource         ../../resources/common.resource
Resource         ../../resources/load.resource

Test Tags        criterion:PERF-07    load    slow


*** Test Cases ***
No Endpoint Is Slower Than In The Local Run
    [Metadata]    Criterion    PERF-07
    Need Recorded Load
    Apply Load
    Load Should Be Complete
    ${limit} =    Get Criterion Limit    PERF-07    endpoints_slower
    Load Figure Should Be    endpoints_slower    <=    ${limit}
    Every Endpoint Should Have Been Compared    first byte
