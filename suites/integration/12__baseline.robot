*** Settings ***
Documentation    The deployment behaves as the recorded functional baseline does; `make baseline` records one.

Resource         ../../resources/common.resource
Resource         ../../resources/pipeline.resource

Test Tags        criterion:INT-16


*** Test Cases ***
Behaviour Equals The Recorded Baseline
    [Metadata]    Criterion    INT-16
    [Tags]    needs-sql
    @{outcomes} =    Compare With Baseline
    Then each outcome is that of the recording    @{outcomes}
