*** Settings ***
Documentation    The CDN serves what the pages reference from its cache, and keeps only what it may.

Resource         ../../resources/common.resource
Resource         ../../resources/edge.resource


*** Test Cases ***
Every Asset Is Served From The Cache
    [Metadata]    Criterion    CLOUD-01
    [Tags]    criterion:CLOUD-01
    Request Assets    times=${WARM REQUESTS}
    Cache Figure Should Keep Its Limit    hit_rate
    Cache Figure Should Keep Its Limit    worst_asset_hit_rate

The Origin Confirms What The Cache Says
    [Metadata]    Criterion    CLOUD-01
    [Tags]    criterion:CLOUD-01
    Request Assets    times=${WARM REQUESTS}
    Cache Figure Should Keep Its Limit    worst_asset_hit_rate_by_origin

Latencies Of Cold Requests, Hits And Misses Are Known
    [Metadata]    Criterion    CLOUD-01
    [Tags]    criterion:CLOUD-01
    Request Assets    times=${WARM REQUESTS}
    Record First Bytes    cold    hit    miss

A Stale Copy Is Renewed
    [Metadata]    Criterion    CLOUD-01
    [Tags]    criterion:CLOUD-01
    Given Wait Until Stale
    ${renewed} =    When Wait Until Renewed
    Then Get Cache Status    ${renewed}    ==    HIT

No User Gets The Response Of Another
    [Metadata]    Criterion    CLOUD-02
    [Tags]    criterion:CLOUD-02
    [Setup]    Alice And Bob Have A Document Each
    [Template]    Responses Of Users Stay Apart
    # Each row is a way to ask that tempts a cache.
    query=${EMPTY}
    query=?_=1
    method=HEAD
    Accept-Encoding=gzip
    Accept-Encoding=identity
    Range=bytes=0-1
    If-None-Match=*
    Cookie=session=1

What Is Not To Be Stored Never Comes From The Cache
    [Metadata]    Criterion    CLOUD-02
    [Tags]    criterion:CLOUD-02
    [Template]    What Must Not Be Stored Never Comes From The Cache
    limits
    edge_probe

What Belongs To One Client Never Reaches Another
    [Metadata]    Criterion    CLOUD-02
    [Tags]    criterion:CLOUD-02
    Every Personal Address Is Personal

Variants Are Kept Apart
    [Metadata]    Criterion    CLOUD-02
    [Tags]    criterion:CLOUD-02
    Every Variant Is Kept Apart

A Part Of An Asset Never Stands For The Whole
    [Metadata]    Criterion    CLOUD-02
    [Tags]    criterion:CLOUD-02
    [Template]    A Part Never Replaces The Whole
    range
    head
    known version
    compressed
    not compressed

New Content Replaces Old After A Deployment
    [Metadata]    Criterion    CLOUD-02
    [Tags]    criterion:CLOUD-02
    Given The Content Is In The Cache
    ${deployment} =    When Make Deployment
    Then Wait Until Served    ${deployment}
    And Only Content Of The Deployment Is Served    ${deployment}
