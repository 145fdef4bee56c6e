*** Settings ***
Documentation    WebSockets refuse bad tokens and unknown identifiers, stay alive while idle, lose nothing when they are cut, and do not
...              disturb one another. The idle channels are opened when the run begins (or with this suite, when it runs alone); their
...              test waits for the rest of the minute.

Resource         ../../resources/common.resource
Resource         ../../resources/idle_channels.resource

Suite Setup      Idle Channels Are Open

Test Tags        criterion:INT-09


*** Test Cases ***
A Forged Token Opens No Channel
    [Metadata]    Criterion    INT-09
    [Template]    Forged Tokens Open No Channel
    garbage
    wrong_signature
    alg_none

An Expired Token Opens No Channel
    [Metadata]    Criterion    INT-09
    Forged Tokens Open No Channel    expired

A First Message Without A Token Opens No Channel
    [Metadata]    Criterion    INT-09
    A First Message Without A Token Opens No Channel

A Silent Channel Without A Token Is Closed
    [Metadata]    Criterion    INT-09
    Given the idle channels were opened
    ${code} =    Get Contract Value    realtime.close.bad_token
    Then Get Close Code    ${SILENT CHANNEL}    ==    ${code}    timeout=${SILENT SECONDS}
    And Get Frames    ${SILENT CHANNEL}    type    ==    ${NO PROBLEMS}
    And Get Open Seconds    ${SILENT CHANNEL}    <=    ${SILENT SECONDS}

An Unknown Or Foreign Identifier Is Refused
    [Metadata]    Criterion    INT-09
    [Template]    The Identifier Is Refused As Unknown
    job    ${UNKNOWN ID}    Subscriber
    job    not-an-identifier    Subscriber
    job    own    Stranger
    workflow    ${UNKNOWN ID}    Subscriber
    workflow    not-an-identifier    Subscriber
    workflow    own    Stranger

A Valid Token In The First Message Opens The Channel
    [Metadata]    Criterion    INT-09
    When the subscriber opens a channel    token_in=message
    Then the first event is received

Pings Are Answered
    [Metadata]    Criterion    INT-09
    Given the subscriber opens a channel    after=${NONE}
    ${frames} =    Send Pings    ${CHANNEL}    times=20    kind=frame
    ${protocol} =    Send Pings    ${CHANNEL}    times=20    kind=protocol
    Then Record Samples    INT-09    pong_time    ${{$frames + $protocol}}    s    statistic=max

A Client That Is Cut Repeatedly Loses Nothing
    [Metadata]    Criterion    INT-09
    Given Cleo announces a document    note    901
    ${channel} =    Follow Job With Cuts    ${UPLOAD}    cut_after=${{[1, 2, 4, 7, 9]}}
    Then all statuses should be reported    ${channel}
    And Record Figure    INT-09    connections_after_cuts    ${channel.connections}    connections    samples=5

A Malformed Frame Is Answered And Its Channel Stays
    [Metadata]    Criterion    INT-09
    [Template]    The Malformed Frame Is Answered
    half a JSON object
    a word
    nested JSON
    empty
    binary

An Oversized Frame Closes Its Channel
    [Metadata]    Criterion    INT-09
    [Template]    The Oversized Frame Closes Its Channel
    text
    binary

A Frame Of The Largest Size Is Answered
    [Metadata]    Criterion    INT-09
    Given the subscriber opens a channel
    ${limit} =    Get Contract Value    realtime.max_frame_bytes
    ${seconds} =    Get Contract Value    realtime.pong_within_seconds
    ${frame} =    Create Frame    ${limit}
    When Send Frame    ${CHANNEL}    ${frame}
    Then Wait For Frame    ${CHANNEL}    pong    timeout=${seconds}

Harmful Frames Disturb No Other Channel
    [Metadata]    Criterion    INT-09
    Given Dana announces a document    note    910
    ${neighbours} =    Channels On The Job Are Open    4
    ${senders} =    Malformed Frames Are Sent
    ${oversized} =    Oversized Frames Are Sent
    When Send Bytes    ${UPLOAD}
    Then each channel received the error    ${senders}
    And each channel is closed as too large    ${oversized}
    And Get Disturbances    ${{$neighbours + $senders}}    ${{[$UPLOAD]}}    ==    ${NO PROBLEMS}

Fifty Subscribers Receive All Of Their Job And Nothing Else
    [Metadata]    Criterion    INT-09
    ${uploads} =    Five users announce a document each
    ${channels} =    Open Event Channels    ${uploads}    each=10
    When the bytes of all are sent    ${uploads}
    Then no channel should be disturbed    ${channels}    ${uploads}

Idle Channels Survive A Minute
    [Metadata]    Criterion    INT-09
    [Tags]    slow
    Given the idle channels were opened
    ${seconds} =    Each Idle Channel Stays Open
    When the failed job is retried
    Then each idle channel reports the retry as a new one does
    And Record Figure    INT-09    idle_time_survived    ${seconds}    s    samples=2
