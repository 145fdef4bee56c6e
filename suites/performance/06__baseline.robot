*** Settings ***
Documentation    Endpoint by endpoint, the load of this deployment beside the recorded local run.

Resource         ../../resources/common.resource
Resource         ../../resources/load.resource

Test Tags        load    slow


*** Test Cases ***
No Endpoint Is Slower Than In The Local Run
    [Metadata]    Criterion    PERF-07
    No Endpoint Is Slower Than In The Recorded Local Run    ${SCALE}
