*** Settings ***
Documentation    Fifty people who work through every flow at the same time are all served, and none of them gets what belongs to another.

Resource         ../../resources/common.resource
Resource         ../../resources/closed_loop.resource

Test Tags        load    slow


*** Test Cases ***
Fifty Users Are At Work At Once
    [Metadata]    Criterion    PERF-12
    Fifty Users Are At Work At Once For A Minute    ${SCALE}

Less Than One Request Of A Hundred Fails
    [Metadata]    Criterion    PERF-12
    Less Than One Request Of A Hundred Fails    ${SCALE}

Thirty Users Get Their First Byte In Time
    [Metadata]    Criterion    PERF-12
    Thirty Users Get Their First Byte In Time    ${SCALE}

Every Document Of The Users Is Complete
    [Metadata]    Criterion    PERF-12
    Every Document Of The Users Is Complete    ${SCALE}
