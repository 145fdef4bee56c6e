*** Settings ***
Documentation    The database cannot be reached: calls are refused as unavailable, nothing is lost, and all recovers without a restart.

Resource         ../../resources/common.resource
Resource         ../../resources/faults.resource

Test Teardown    The Experiment Ends

Test Tags        criterion:ERR-01    needs-faults


*** Test Cases ***
A Slow Database
    [Metadata]    Criterion    ERR-01
    The Deployment Survives    latency    database    milliseconds=150    answers=success    duration=3 s

A Database That Swallows What It Is Sent
    [Metadata]    Criterion    ERR-01
    The Deployment Survives    blackhole    database    health=database    answers=unavailable

A Flapping Database
    [Metadata]    Criterion    ERR-01
    The Deployment Survives    refuse    database    flaps=3    duration=700 ms

Connections Cut In The Middle Of Transactions
    [Metadata]    Criterion    ERR-01
    Given the deployment is steady
    And the fault takes effect    latency    database    milliseconds=100
    When the fault takes effect    reset    database
    And the workload meets the fault    answers=unavailable    duration=1 s
    And the faults are undone
    Then the deployment recovers

A Failover
    [Documentation]    The server itself ends, and another one takes its place.
    [Metadata]    Criterion    ERR-01
    Given the deployment is steady
    When the fault takes effect    kill    database-server
    And the workload meets the fault    duration=1 s
    And the faults are undone
    Then the deployment recovers

An Outage Between An Upload And Its Processing
    [Documentation]    The bytes are there when the database goes: the job begins when it is back.
    [Metadata]    Criterion    ERR-01
    Given the deployment is steady
    And Alice is signed in
    ${upload} =    When Alice uploads a document of the ledger
    And the fault takes effect    refuse    database
    And the health document reports    database
    And the workload meets the fault    answers=unavailable
    Then Call Route    documents    user=Alice    expected=unavailable
    And the faults are undone
    And the document is processed    ${upload}
    And the deployment recovers
