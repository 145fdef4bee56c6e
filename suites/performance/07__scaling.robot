*** Settings ***
Documentation    More and more users arrive until limits break, three times: how much the deployment bears, and what gives way first.

Resource         ../../resources/common.resource
Resource         ../../resources/scaling.resource

Test Tags        scaling    slow


*** Test Cases ***
The Capacity Is The Last Step Within Limits
    [Metadata]    Criterion    PERF-08
    When the load rises in steps until limits break    ${SCALE}
    Then the last step within limits is the stated capacity    ${SCALE}
