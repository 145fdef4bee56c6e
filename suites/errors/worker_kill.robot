*** Settings ***
Documentation    The worker is killed in the middle of each stage: another one takes over, and each effect stands exactly once.

Resource         ../../resources/common.resource
Resource         ../../resources/faults.resource

Test Teardown    The Experiment Ends

Test Tags        criterion:ERR-05    needs-faults


*** Test Cases ***
Killed While It Parses
    [Metadata]    Criterion    ERR-05
    Given the deployment is steady    documents=1
    And the fault takes effect    latency    parser    milliseconds=1500
    ${upload} =    When a document is in the middle of    parse_queued
    And the fault takes effect    kill    worker
    And it was in the middle of    ${upload}    parse_queued
    And the faults are undone
    Then the document is processed    ${upload}
    And the deployment recovers    answers=success

Killed While It Chunks
    [Metadata]    Criterion    ERR-05
    Given the deployment is steady    documents=1
    And the fault takes effect    latency    database-worker    milliseconds=200
    ${upload} =    When a document is in the middle of    chunking
    And the fault takes effect    kill    worker
    And it was in the middle of    ${upload}    chunking
    And the faults are undone
    Then the document is processed    ${upload}
    And the deployment recovers    answers=success

Killed While It Embeds
    [Metadata]    Criterion    ERR-05
    Given the deployment is steady    documents=1
    And the fault takes effect    latency    model-worker    milliseconds=1500
    ${upload} =    When a document is in the middle of    embedding_in_progress
    And the fault takes effect    kill    worker
    And it was in the middle of    ${upload}    embedding_in_progress
    And the faults are undone
    Then the document is processed    ${upload}
    And the deployment recovers    answers=success

Killed While It Finalizes
    [Metadata]    Criterion    ERR-05
    Given the deployment is steady    documents=1
    And the fault takes effect    latency    database-worker    milliseconds=200
    ${upload} =    When a document is in the middle of    embeddings_stored
    And the fault takes effect    kill    worker
    And it was in the middle of    ${upload}    embeddings_stored
    And the faults are undone
    Then the document is processed    ${upload}
    And the deployment recovers    answers=success

All Workers Are Down
    [Metadata]    Criterion    ERR-05
    The Deployment Survives    stop    worker    health=worker    answers=success

A Worker That Stands Still
    [Documentation]    For longer than it may hold a job: what it comes back with must not undo what another one has done.
    [Metadata]    Criterion    ERR-05
    Given the deployment is steady    documents=6
    And the fault takes effect    latency    model-worker    milliseconds=3000
    And a document is in the middle of    embedding_in_progress
    And a document is in the middle of    embedding_in_progress
    When the fault takes effect    freeze    worker-1
    And the workload meets the fault    duration=6 s
    And the faults are undone
    Then the deployment recovers    answers=success

Workers That Are Killed Again And Again
    [Metadata]    Criterion    ERR-05
    The Deployment Survives    kill    worker    answers=success    flaps=3    duration=500 ms


*** Keywords ***
A Document Is In The Middle Of
    [Documentation]    The step that begins with this status; returns the upload.
    [Arguments]    ${status: str}
    Create User    Alice
    ${upload} =    Alice uploads a document of the ledger
    Wait Until Job Status    ${upload}    ==    ${status}
    RETURN    ${upload}

It Was In The Middle Of
    [Documentation]    The job is where it was when the worker died. Where it has moved on, the moment was missed, which is no fault of
    ...    the deployment; where it has failed, the worker's death has failed it.
    [Arguments]    ${upload: Any}    ${status: str}
    ${failures} =    Get Contract Value    jobs.failures
    ${seen} =    Get Job    ${upload}    status
    Should Not Contain    ${failures}    ${seen}    the worker died, and its job has failed    values=False
    IF    $seen != $status
        Report Environment Problem    the worker was to be killed at '${status}', and its job was '${seen}' already
    END
