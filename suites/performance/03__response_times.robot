*** Settings ***
Documentation    How long one user waits for each endpoint when nobody else asks, for the report. Measured once for both tests.

Resource         ../../resources/common.resource
Resource         ../../resources/performance.resource


*** Test Cases ***
Response Times Of Every Endpoint Are Known
    [Metadata]    Criterion    PERF-06
    Given a few documents are there to look for
    When every endpoint was called a hundred times
    Then response times are told with confidence intervals

What A Call Is Made Of Is Known
    [Metadata]    Criterion    PERF-06
    Given a few documents are there to look for
    When every endpoint was called a hundred times
    Then name resolution and connection and server are told apart
