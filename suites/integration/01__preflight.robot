*** Settings ***
Documentation    Phase 1 still holds: all services are there, configured, and reach one another.

Resource         ../../resources/common.resource
Resource         ../../resources/deployment.resource


*** Test Cases ***
Every Service Answers And Says Which Build It Is
    [Metadata]    Criterion    PRE-01
    [Tags]    criterion:PRE-01
    @{probes} =    Probe Services
    Then every service answers and names its build    @{probes}

Configuration And Secrets Are Present
    [Metadata]    Criterion    PRE-02
    [Tags]    criterion:PRE-02
    Get Missing Configuration    ==    ${NO PROBLEMS}

The Limits Allow The Load That Is About To Run
    [Metadata]    Criterion    PRE-02
    [Tags]    criterion:PRE-02
    Get Low Limits    ==    ${NO PROBLEMS}

The Services Reach One Another
    [Metadata]    Criterion    PRE-03
    [Tags]    criterion:PRE-03
    When the health document is requested
    Then it calls the deployment and each service healthy
