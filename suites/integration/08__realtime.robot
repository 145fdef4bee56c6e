*** Settings ***
Documentation    What happens to a document is told as it happens, over WebSocket and Server-Sent Events,
...              and REST and the database say the same.

Resource         ../../resources/common.resource
Resource         ../../resources/realtime.resource


*** Test Cases ***
Every Status Arrives Once And In Order
    [Metadata]    Criterion    INT-08
    [Template]    ${channel} tells every status of ${a document} once
    WebSocket    a readable document
    Server-Sent Events    a readable document
    WebSocket    an unreadable document
    Server-Sent Events    an unreadable document

Every Status Arrives Within A Second
    [Metadata]    Criterion    INT-08
    [Template]    Every status of ${a document} is told within a second
    a readable document
    an unreadable document

REST And Realtime Agree
    [Metadata]    Criterion    INT-08
    [Template]    REST and both channels agree about ${a document}
    a readable document
    an unreadable document

Whoever Comes Later Is Told Exactly What They Missed
    [Metadata]    Criterion    INT-08
    [Template]    ${channel} replays exactly what came after each event of ${a document}
    WebSocket    a readable document
    Server-Sent Events    a readable document

The Way To An Answer Is Told Step By Step
    [Metadata]    Criterion    INT-08
    [Template]    ${channel} tells the steps to an answer, and the answer
    WebSocket
    Server-Sent Events

The Way To An Answer Is The Same On Both Channels
    [Metadata]    Criterion    INT-08
    Both Channels Tell The Same Steps
