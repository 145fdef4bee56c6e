*** Settings ***
Documentation    The model is down, slow, refuses for now, or is cut off while it answers: the conversation says so in time, and embeddings
...              resume without duplicates.

Resource         ../../resources/common.resource
Resource         ../../resources/faults.resource

Test Teardown    The Experiment Ends

Test Tags        criterion:ERR-03    needs-faults


*** Variables ***
&{TOO MANY}    Retry-After=3
${ASKED}       ${3}


*** Test Cases ***
An Outage
    [Metadata]    Criterion    ERR-03
    Given the deployment is steady
    And Reader has a note to ask about
    When the fault takes effect    refuse    model
    And the health document reports    model
    Then Ask    ${FACT.question}    user=Reader    expected=unavailable
    And the workload meets the fault    answers=unavailable
    And the faults are undone
    And the deployment recovers    answers=unavailable
    And the question is answered

A Slow Model
    [Metadata]    Criterion    ERR-03
    The Deployment Survives    latency    model    milliseconds=1000

A Model That Fails Now And Then
    [Metadata]    Criterion    ERR-03
    The Deployment Survives    respond    model    status=500    flaps=3    duration=700 ms

A Model That Asks To Wait
    [Documentation]    The conversation is refused for now, and passes on how long to wait.
    [Metadata]    Criterion    ERR-03
    Given the deployment is steady
    And Alice is signed in
    And the fault takes effect    respond    model    status=429    headers=${TOO MANY}
    ${refusal} =    When Ask    What does the plan pay for glasses?    user=Alice    expected=unavailable
    Then the refusal asks to wait    ${refusal}    ${ASKED}
    And the workload meets the fault    answers=unavailable    duration=1 s
    And the faults are undone
    And the deployment recovers    answers=unavailable

Embeddings That Are Cut Off
    [Documentation]    The model's response ends early: the worker asks again, and no chunk has two vectors.
    [Metadata]    Criterion    ERR-03
    The Deployment Survives    cut    model-worker    after_bytes=300    answers=success

An Answer That Is Cut Off While It Streams
    [Documentation]    The stream ends with an event that no whole answer has; the same question is answered afterwards.
    [Metadata]    Criterion    ERR-03
    Given the deployment is steady
    And Reader has a note to ask about
    ${whole} =    And an answer has streamed
    And the fault takes effect    slice    model-api    bytes=400    milliseconds=100
    ${stream} =    When Open Answer Stream    ${FACT.question}    user=Reader    events=1
    And the fault takes effect    reset    model-api
    Then the stream says that it is not whole    ${stream}    ${whole}
    And the faults are undone
    And the deployment recovers
    And the question is answered


*** Keywords ***
The Refusal Asks To Wait
    [Documentation]    As long as the model did, at least.
    [Arguments]    ${refusal: Any}    ${seconds: int}
    VAR    ${asked}    ${refusal.headers['retry-after']}
    Should Be True    ${asked} >= ${seconds}    the model asks to wait ${seconds} s, the application ${asked} s

An Answer Has Streamed
    [Documentation]    Whole; returns the names of its events.
    ${stream} =    Open Answer Stream    ${FACT.question}    user=Reader
    Wait Until Answer Stream Ends    ${stream}
    Should Contain    ${stream.text}    ${FACT.figure}
    ${events} =    Get Stream Events    ${stream}
    RETURN    ${events}

The Stream Says That It Is Not Whole
    [Documentation]    It ends in time, and its last event is none of those of a whole answer.
    [Arguments]    ${stream: Any}    ${whole: list}
    Wait Until Answer Stream Ends    ${stream}    timeout=${ANSWER WITHIN}
    @{events} =    Get Stream Events    ${stream}
    List Should Not Contain Value    ${whole}    ${events}[-1]    cut off, and it ends as a whole one does: ${events}
