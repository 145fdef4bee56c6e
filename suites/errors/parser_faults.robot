*** Settings ***
Documentation    The parser is down, slow, refuses for now or for good, answers nonsense, or never calls back: jobs wait and go on.

Resource         ../../resources/common.resource
Resource         ../../resources/faults.resource

Test Teardown    The Experiment Ends

Test Tags        criterion:ERR-02    needs-faults


*** Variables ***
${LATER}            ${4}    # seconds that the parser asks to wait
&{TOO MANY}         Retry-After=4
${ROUNDING}         ${0.5}    # seconds until we see it
${MOST ATTEMPTS}    ${6}    # in 3 s: a back-off that begins with half a second and doubles leaves four
${REFUSAL}          {"detail": "This file cannot be parsed"}


*** Test Cases ***
An Outage
    [Metadata]    Criterion    ERR-02
    Given the deployment is steady
    And Alice is signed in
    And the fault takes effect    refuse    parser
    ${upload} =    When Alice uploads a document of the ledger
    And the health document reports    parser
    And the workload meets the fault    duration=3 s
    Then the attempts are spaced out    ${upload}
    And the faults are undone
    And the document is processed    ${upload}
    And the deployment recovers    answers=success

A Slow Parser
    [Metadata]    Criterion    ERR-02
    The Deployment Survives    latency    parser    milliseconds=1000    answers=success

A Parser That Fails Now And Then
    [Metadata]    Criterion    ERR-02
    The Deployment Survives    respond    parser    status=500    answers=success    flaps=3    duration=700 ms

A Parser That Answers Nonsense
    [Metadata]    Criterion    ERR-02
    The Deployment Survives    respond    parser    status=200    body=<html>welcome</html>    content_type=text/html    answers=success

A Parser That Never Calls Back
    [Metadata]    Criterion    ERR-02
    Given the deployment is steady
    And Alice is signed in
    And the fault takes effect    blackhole    webhook
    ${upload} =    When Alice uploads a document of the ledger
    Then the document is processed    ${upload}
    And the faults are undone
    And the deployment recovers    answers=success

A Parser That Asks To Wait
    [Documentation]    The next attempt comes no earlier than `Retry-After` says.
    [Metadata]    Criterion    ERR-02
    Given the deployment is steady
    And Alice is signed in
    And the fault takes effect    respond    parser    status=429    headers=${TOO MANY}
    ${upload} =    When Alice uploads a document of the ledger
    And the job is put off    ${upload}
    And the faults are undone
    Then the job is tried again after    ${upload}    ${LATER}
    And the deployment recovers    answers=success

A Permanent Refusal Fails The Job, And The User's Retry Works
    [Metadata]    Criterion    ERR-02
    Given the deployment is steady
    And Alice is signed in
    And the fault takes effect    respond    parser    status=400    body=${REFUSAL}
    ${upload} =    When Alice uploads a document of the ledger
    Then the job has failed with a readable reason    ${upload}
    When the faults are undone
    And Retry Job    ${upload}
    Then Wait Until Job Status    ${upload}    ==    complete
    And the deployment recovers    answers=success    documents=ended


*** Keywords ***
The Attempts Are Spaced Out
    [Documentation]    In the time of the fault there were some, and not as many as there could be.
    [Arguments]    ${upload: Any}
    ${attempts} =    Get Job    ${upload}    retry_count    >=    ${1}
    Should Be True    ${attempts} <= ${MOST ATTEMPTS}    ${attempts} attempts in 3 s, without a back-off

The Job Is Put Off
    [Documentation]    The first attempt was refused; `\${PUT OFF}` is when that showed.
    [Arguments]    ${upload: Any}
    Wait Until Job Status    ${upload}    >=    ${1}    field=retry_count
    ${moment} =    Mark Moment    ${WORKLOAD}    put off
    VAR    ${PUT OFF}    ${moment}    scope=TEST

The Job Is Tried Again After
    [Documentation]    So many seconds, at least, after it was put off.
    [Arguments]    ${upload: Any}    ${seconds: float}
    Wait Until Job Status    ${upload}    !=    uploaded
    ${moment} =    Mark Moment    ${WORKLOAD}    tried again
    VAR    ${waited}    ${{$moment - $PUT_OFF}}
    Should Be True    ${waited} >= ${seconds} - ${ROUNDING}    the parser asked to wait ${seconds} s, tried again after ${waited} s
