*** Settings ***
Documentation    How long one user waits for each endpoint when nobody else asks: told for the report, judged under load.

Resource         ../../resources/common.resource
Resource         ../../resources/performance.resource


*** Test Cases ***
Response Times Of Every Endpoint Are Known
    [Metadata]    Criterion    PERF-06
    Given a few documents are there to look for
    When every endpoint was called a hundred times
    Then response times are told with their confidence

What A Call Is Made Of Is Known
    [Metadata]    Criterion    PERF-06
    Given a few documents are there to look for
    When every endpoint was called a hundred times
    Then name and connection and server are told apart
