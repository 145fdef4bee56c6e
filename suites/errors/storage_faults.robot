*** Settings ***
Documentation    Upload or storage fails: a clear error, a retry that works, and no orphan.

Resource         ../../resources/common.resource
Resource         ../../resources/faults.resource

Test Teardown    The Experiment Ends

Test Tags        criterion:ERR-07


*** Test Cases ***
A Slow Storage
    [Metadata]    Criterion    ERR-07
    [Tags]    needs-faults
    The Deployment Survives    latency    storage    milliseconds=500    answers=success

A Flapping Storage
    [Metadata]    Criterion    ERR-07
    [Tags]    needs-faults
    The Deployment Survives    respond    storage    status=500    flaps=3    duration=700 ms

An Outage Between An Upload And Its Processing
    [Documentation]    The bytes are stored when the storage goes: the job waits, and fetches them when it is back.
    [Metadata]    Criterion    ERR-07
    [Tags]    needs-faults
    Given the deployment is steady
    And Alice is signed in
    ${upload} =    And Alice announces a document of the ledger
    When the fault takes effect    refuse    storage
    And Send Bytes    ${upload}
    And the health document reports    storage
    And the workload meets the fault    answers=unavailable
    And the faults are undone
    Then the document is processed    ${upload}
    And the deployment recovers    answers=unavailable

An Upload That Is Interrupted
    [Documentation]    Part of the bytes has arrived: nothing is processed, and the same address takes the whole.
    [Metadata]    Criterion    ERR-07
    Given Alice is signed in
    ${upload} =    And Announce Upload    base64image    user=Alice
    When Interrupt Upload    ${upload}    after_bytes=1000000
    Then Get Job    ${upload}    status    ==    uploaded
    And Send Bytes    ${upload}
    And the document is processed    ${upload}
    And the document arrives whole    ${upload}

A Slow Upload
    [Metadata]    Criterion    ERR-07
    The Deployment Survives    bandwidth    client:storage    bytes_per_second=4000    answers=success

Wrong Bytes, Then The Right Ones
    [Metadata]    Criterion    ERR-07
    Given Alice is signed in
    ${upload} =    And Announce Upload    note    user=Alice
    When Send Bytes    ${upload}    ${upload.payload.altered}    expected=wrong_bytes
    And Send Bytes    ${upload}    ${upload.payload.data[:100]}    expected=wrong_bytes
    Then Get Job    ${upload}    status    ==    uploaded
    And Send Bytes    ${upload}
    And the document is processed    ${upload}

An Address That Was Used Before
    [Metadata]    Criterion    ERR-07
    Given Alice is signed in
    ${upload} =    And Upload Document    note    user=Alice
    When Send Bytes    ${upload}    ${upload.payload.data}    expected=used
    Then the document is processed    ${upload}
    And the document arrives whole    ${upload}

An Address That Has Expired
    [Documentation]    Announced when the run began. It is refused, its document goes, and the same content can be uploaded again.
    [Metadata]    Criterion    ERR-07
    ${expiring} =    Given Get Expiring Upload
    When Wait Until Address Expires    ${expiring}
    And Send Bytes    ${expiring.upload}    expected=expired
    ${upload} =    Then Announce Upload    ${expiring.upload.payload}    user=${expiring.upload.owner}
    And Send Bytes    ${upload}
    And the document is processed    ${upload}
