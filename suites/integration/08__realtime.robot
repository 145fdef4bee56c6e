*** Settings ***
Documentation    Events of jobs and workflows arrive as they happen, over WebSocket and Server-Sent Events (SSE), and agree with REST
...              and the database.

Resource         ../../resources/common.resource
Resource         ../../resources/events.resource

Test Tags        criterion:INT-08


*** Test Cases ***
Every Status Arrives Once And In Order
    [Metadata]    Criterion    INT-08
    [Template]    The Job Reports Each Status Once
    note    complete    WebSocket
    note    complete    SSE
    encrypted    failed_parse    WebSocket
    encrypted    failed_parse    SSE

Every Status Arrives In Time
    [Metadata]    Criterion    INT-08
    [Template]    The Events Arrive In Time
    note
    encrypted

REST And Realtime Agree
    [Metadata]    Criterion    INT-08
    [Template]    REST And Database Agree With The Events
    note
    encrypted

A Late Subscriber Receives Exactly What It Missed
    [Metadata]    Criterion    INT-08
    [Template]    The Replay After Each Event Is Exact
    note    WebSocket
    note    SSE

A Workflow Reports Its Steps And The Answer
    [Metadata]    Criterion    INT-08
    [Template]    The Workflow Reports Its Steps And The Answer
    WebSocket
    SSE

A Workflow Is The Same On Both Channels
    [Metadata]    Criterion    INT-08
    Need Offered    realtime.workflow
    Need Offered    routes.workflow_stream
    Given the workflow of an answer was traced
    Then both channels should be the same
    And Get Realtime Lag    ${TRACE}    <=    ${ANSWER SECONDS}
