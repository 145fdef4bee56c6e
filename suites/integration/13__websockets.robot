*** Settings ***
Documentation    WebSocket connections let in whom they should, stay alive, come back without a loss,
...              and do not suffer from one another. Two connections idle from the beginning of the run (or of this suite, when it
...              runs alone); the test of the idle minute waits for what is then left of the minute, and records the whole of it.

Resource         ../../resources/common.resource
Resource         ../../resources/connection.resource

Suite Setup      Connections Are Left To Idle


*** Test Cases ***
Nobody Is Let In Without A Valid Token
    [Metadata]    Criterion    INT-09
    [Template]    A token of the kind ${kind} opens no connection
    none
    garbage
    wrong signature
    alg none

Nobody Is Let In With An Expired Token
    [Metadata]    Criterion    INT-09
    A token of the kind expired opens no connection

Whoever Never Says Who They Are Is Refused
    [Metadata]    Criterion    INT-09
    Whoever Never Says Who They Are Is Refused

What Is Not There Or Not Theirs Is Unknown
    [Metadata]    Criterion    INT-09
    [Template]    A ${path} that is ${which} is closed as unknown
    job    unknown
    job    malformed
    job    someone else's
    workflow    unknown
    workflow    malformed
    workflow    someone else's

A Valid Token As First Message Lets In
    [Metadata]    Criterion    INT-09
    A Valid Token As First Message Lets In

Heartbeats Are Answered
    [Metadata]    Criterion    INT-09
    Heartbeats Are Answered

A Line That Is Cut Again And Again Loses Nothing
    [Metadata]    Criterion    INT-09
    A Line That Is Cut Again And Again Loses Nothing

A Malformed Frame Is Answered And Its Connection Stays
    [Metadata]    Criterion    INT-09
    [Template]    ${frame} is answered with an error, and the connection stays
    half a JSON object
    a word
    deeply nested JSON
    an empty frame
    a binary frame

An Oversized Frame Closes Its Connection
    [Metadata]    Criterion    INT-09
    [Template]    A ${form} frame of one byte too many closes its connection
    text
    binary

A Frame Of The Largest Size Is Answered
    [Metadata]    Criterion    INT-09
    A Frame Of The Largest Size Is Answered

Harmful Frames Harm Nobody Else
    [Metadata]    Criterion    INT-09
    Harmful Frames Harm Nobody Else

Fifty Subscribers See All Of Theirs And Nothing Else
    [Metadata]    Criterion    INT-09
    Fifty Subscribers See All Of Theirs And Nothing Else

Idling For A Minute Is Survived
    [Metadata]    Criterion    INT-09
    [Tags]    slow
    Idling For A Minute Is Survived
