*** Settings ***
Documentation    The network is slow, cuts, or swallows: every call is bounded, and ends in an answer or an error, never in a hang.

Resource         ../../resources/common.resource
Resource         ../../resources/faults.resource

Test Teardown    The Experiment Ends

Test Tags        criterion:ERR-04


*** Test Cases ***
A Slow Path To The API
    [Metadata]    Criterion    ERR-04
    The Deployment Survives    latency    client:api    milliseconds=200    jitter_milliseconds=100    answers=success

A Path That Resets Connections
    [Metadata]    Criterion    ERR-04
    The Deployment Survives    reset    client:api    answers=success    lost=any

A Path That Cuts Answers Off
    [Metadata]    Criterion    ERR-04
    The Deployment Survives    cut    client:api    after_bytes=100    answers=success    lost=any

A Path That Swallows Requests
    [Metadata]    Criterion    ERR-04
    The Deployment Survives    blackhole    client:api    answers=success    lost=any

A Flapping Path
    [Metadata]    Criterion    ERR-04
    The Deployment Survives    refuse    client:api    answers=success    lost=any    flaps=3    duration=500 ms

Subscribers Whose Path Is Reset
    [Documentation]    Those that reconnect have missed nothing.
    [Metadata]    Criterion    ERR-04
    The Deployment Survives    reset    client:realtime    answers=success    lost=any    flaps=2    duration=500 ms

A Call That No Dependency Answers
    [Documentation]    Everything behind the API swallows what it is sent, for longer than a call may take.
    [Metadata]    Criterion    ERR-04
    [Tags]    needs-faults
    Given the deployment is steady
    And Alice is signed in
    And the fault takes effect    blackhole    authentication
    And the fault takes effect    blackhole    storage
    And the fault takes effect    blackhole    model
    And the health document reports    authentication
    When Ask    What does the plan pay for glasses?    user=Alice    expected=unavailable
    And the workload meets the fault    answers=unavailable    duration=12 s
    And the faults are undone
    Then the deployment recovers    answers=unavailable
