*** Settings ***
Documentation    Four minutes of load: five, ten and five people a second arrive, and log in, upload a document, or ask about one.

Resource         ../../resources/common.resource
Resource         ../../resources/load.resource

Test Tags        load    slow


*** Test Cases ***
The Load Was Really Applied
    [Metadata]    Criterion    PERF-05
    The Load Was Applied As It Was Planned    ${SCALE}

Answers Begin As Quickly As In The Local Run
    [Metadata]    Criterion    PERF-01
    The First Byte Comes In Time On Average    ${SCALE}

As Many Requests Succeed As In The Local Run
    [Metadata]    Criterion    PERF-02
    As Many Requests Succeed As In The Local Run    ${SCALE}

Hardly Any Request Fails
    [Metadata]    Criterion    PERF-03
    Of All Requests Attempted Hardly Any Fails    ${SCALE}

Slow Answers Are Rare Where No Model Is Asked
    [Metadata]    Criterion    PERF-06
    The Slowest Calls That No Model Bounds Are Quick Enough    ${SCALE}

Nobody Waits Long For The Rest Of An Answer
    [Metadata]    Criterion    PERF-06
    Whole Answers Keep The Same Limits    ${SCALE}
    No Whole Answer Takes Longer Than In The Recorded Local Run    ${SCALE}

Slow Answers Of A Model Keep Their Own Limits
    [Metadata]    Criterion    PERF-06
    Calls That A Model Bounds Keep Limits Of Their Own    ${SCALE}

Every Document Of The Load Is Complete
    [Metadata]    Criterion    PERF-04
    Every Document Of The Load Is Complete    ${SCALE}

The Database Holds Each Document Once And As It Was Sent
    [Metadata]    Criterion    PERF-04
    [Tags]    needs-sql
    The Database Holds Each Document Of The Load Once    ${SCALE}
