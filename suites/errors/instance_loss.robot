*** Settings ***
Documentation    An instance of the API dies under load: others serve, and realtime clients reconnect and miss nothing.

Resource         ../../resources/common.resource
Resource         ../../resources/faults.resource

Test Teardown    The Experiment Ends

Test Tags        criterion:ERR-08    needs-faults


*** Test Cases ***
An Instance Is Killed
    [Metadata]    Criterion    ERR-08
    The Deployment Survives    kill    api-1    answers=success    lost=in flight

An Instance Is Down For Some Time
    [Metadata]    Criterion    ERR-08
    The Deployment Survives    stop    api-2    answers=success    lost=in flight    duration=3 s

An Instance That Stands Still
    [Metadata]    Criterion    ERR-08
    The Deployment Survives    freeze    api-1    lost=in flight    duration=3 s

Instances That Are Killed In Turn
    [Metadata]    Criterion    ERR-08
    Given the deployment is steady
    When the fault takes effect    kill    api-1
    And the workload meets the fault    duration=1 s
    And the faults are undone
    And the fault takes effect    kill    api-2
    And the workload meets the fault    duration=1 s
    And the faults are undone
    Then the deployment recovers    lost=in flight

Subscribers Of Instances That Are Killed
    [Documentation]    Every job is followed by a client that reconnects while the instances die: it has each event once, in order.
    [Metadata]    Criterion    ERR-08
    Given the deployment is steady    documents=6
    And the fault takes effect    latency    parser    milliseconds=2500
    When the fault takes effect    kill    api-1
    And the workload meets the fault    duration=1 s
    And the fault takes effect    kill    api-2
    And the workload meets the fault    duration=1 s
    And the faults are undone
    Then the deployment recovers    lost=in flight

An Answer Whose Instance Is Killed
    [Documentation]    Its stream ends in time; the same question is answered afterwards.
    [Metadata]    Criterion    ERR-08
    Given the deployment is steady
    And Reader has a note to ask about
    And the fault takes effect    slice    model-api    bytes=400    milliseconds=100
    ${stream} =    When Open Answer Stream    ${FACT.question}    user=Reader
    And the fault takes effect    kill    api
    Then Wait Until Answer Stream Ends    ${stream}    timeout=${ANSWER WITHIN}
    And the faults are undone
    And the deployment recovers    lost=in flight
    And the question is answered
