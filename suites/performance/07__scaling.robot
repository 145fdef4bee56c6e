*** Settings ***
Documentation    More and more users arrive until limits break, three times: capacity and first bottleneck. Done once for both tests.

Resource         ../../resources/common.resource
Resource         ../../resources/load.resource

Test Tags        scaling    slow


*** Test Cases ***
The Capacity Is The Last Step Within Limits
    [Metadata]    Criterion    PERF-08
    [Tags]    criterion:PERF-08
    Raise Load In Steps
    Record Steps
    State The Capacity

The First Bottleneck Is Named
    [Metadata]    Criterion    PERF-09
    [Tags]    criterion:PERF-09
    Raise Load In Steps
    Record Utilization
    Name The First Bottleneck
