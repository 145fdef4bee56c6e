*** Settings ***
Documentation    More and more users arrive until limits break, three times: what is borne, and what gives way. Done once for both tests.

Resource         ../../resources/common.resource
Resource         ../../resources/scaling.resource

Test Tags        scaling    slow


*** Test Cases ***
The Capacity Is The Last Step Within Limits
    [Metadata]    Criterion    PERF-08
    When the load rises in steps until limits break    ${SCALE}
    Then throughput and first byte and errors of each step are shown    ${SCALE}
    And the last step within limits is the stated capacity    ${SCALE}

What Gives Way First Is Named
    [Metadata]    Criterion    PERF-09
    When the load rises in steps until limits break    ${SCALE}
    Then what was used of each resource is shown against the load    ${SCALE}
    And the first to saturate is named with its curve    ${SCALE}
    And what to try follows from what was measured    ${SCALE}
