*** Settings ***
Documentation    Authentication fails: every sign-in is refused as unavailable, not as a wrong password, and sessions go on as the contract
...              says.

Resource         ../../resources/common.resource
Resource         ../../resources/faults.resource

Test Teardown    The Experiment Ends

Test Tags        criterion:ERR-06    needs-faults


*** Variables ***
&{GARBAGE}    Authorization=Bearer garbage


*** Test Cases ***
An Outage
    [Documentation]    Every sign-in is refused as unavailable: whether a password is wrong cannot be known.
    [Metadata]    Criterion    ERR-06
    Given the deployment is steady
    And Alice is signed in
    When the fault takes effect    refuse    authentication
    And the health document reports    authentication
    Then no sign-in succeeds as    Alice
    And the sessions of Alice go on
    And the workload meets the fault    answers=unavailable
    And the faults are undone
    And the deployment recovers    answers=unavailable

A Slow Authentication
    [Metadata]    Criterion    ERR-06
    The Deployment Survives    latency    authentication    milliseconds=800    answers=success

A Flapping Authentication
    [Metadata]    Criterion    ERR-06
    The Deployment Survives    refuse    authentication    flaps=3    duration=700 ms

An Authentication That Answers Nonsense
    [Metadata]    Criterion    ERR-06
    The Deployment Survives    respond    authentication    status=200    body=<html>maintenance</html>    content_type=text/html
    ...    answers=unavailable

A Token That Expires During An Outage
    [Documentation]    It is refused as expired; the session is refreshed when authentication is back.
    [Metadata]    Criterion    ERR-06
    [Tags]    needs-short-lived-tokens
    Given the deployment is steady
    And Alice has a session of 3 seconds
    When the fault takes effect    refuse    authentication
    Then the token of Alice expires
    And Refresh Session Concurrently    Alice    times=1    expected=unavailable
    And the faults are undone
    And the deployment recovers
    And Refresh Session    Alice
    And Call Route    user    user=Alice


*** Keywords ***
No Sign-In Succeeds As
    [Documentation]    Neither with the right password, nor with a wrong one, nor by a token that is forged.
    [Tags]    robot:continue-on-failure
    [Arguments]    ${user: str}
    Sign In    ${user}    expected=unavailable
    Sign In    ${user}    password=reversed    expected=unavailable
    Sign Up    Mallory    expected=unavailable
    ${refresh} =    Is Offered    routes.refresh
    IF    ${refresh}
        Refresh Session Concurrently    ${user}    times=1    expected=unavailable
    END
    Call Route    user    headers=${GARBAGE}    expected=garbage

The Sessions Of ${user} Go On
    [Documentation]    As the descriptor says: access tokens survive an outage of authentication, or are unavailable too.
    ${survive} =    Get Deployment Field    sessions.jwt_survives_auth_outage
    VAR    ${expected}    ${{'success' if $survive else 'unavailable'}}
    Call Route    user    user=${user}    expected=${expected}
    Call Route    documents    user=${user}    expected=${expected}

${user} has a session of ${seconds:\d+} seconds
    [Documentation]    Its access token expires soon (needs `short-lived-tokens`).
    Create User    ${user}    access_token_seconds=${seconds}

The token of ${user} expires
    [Documentation]    Refused as any expired token is, not as unavailable.
    Wait Until Access Token Expires    ${user}
