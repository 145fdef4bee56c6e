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

The Descriptor Names Every Service And Where It Says Its Build
    [Metadata]    Criterion    PRE-01
    [Tags]    criterion:PRE-01
    Descriptor Should Name Every Service

Configuration And Secrets Are Present
    [Metadata]    Criterion    PRE-02
    [Tags]    criterion:PRE-02
    Get Missing Configuration    ==    ${NO PROBLEMS}

The Plan Allows The Load That Is About To Run
    [Metadata]    Criterion    PRE-02
    [Tags]    criterion:PRE-02
    Get Low Limits    ==    ${NO PROBLEMS}

The Services Reach One Another
    [Metadata]    Criterion    PRE-03
    [Tags]    criterion:PRE-03
    When the health document is requested
    Then it calls the deployment and each service healthy

The Health Document Names Every Service And When It Was Written
    [Metadata]    Criterion    PRE-03
    [Tags]    criterion:PRE-03
    Health Document Should Name Everything
