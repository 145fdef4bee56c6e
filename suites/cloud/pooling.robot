*** Settings ***
Documentation    Many clients share few connections to the database: of the pooler, and of the application's own pools.

Resource         ../../resources/common.resource
Resource         ../../resources/database.resource

Test Tags        criterion:CLOUD-05    needs-sql


*** Test Cases ***
Many Clients Share Few Connections
    [Metadata]    Criterion    CLOUD-05
    ${uses} =    When Many Clients Use Each Pool
    Then Each Pool Keeps Its Promises    ${uses}
    And The Use Of Each Pool Is Recorded    ${uses}

The Provider Counts The Same Connections
    [Documentation]    A second witness: the provider's metrics, read while a pool was used, beside the named query of that moment.
    [Metadata]    Criterion    CLOUD-05
    ${limit} =    Get Limit    CLOUD-05    metrics_deviation
    Get Metrics Deviation    <=    ${limit}

Requests That Their Clients Cancel Leak Nothing
    [Metadata]    Criterion    CLOUD-05
    When Clients Of Each Pool Are Cut Off
    ${uses} =    And Many Clients Use Each Pool
    Then Each Pool Keeps Its Promises    ${uses}

A Pool Recovers When Its Connections End
    [Metadata]    Criterion    CLOUD-05
    [Tags]    needs-faults
    Given Clients Of Each Pool Are Served
    When The Connections Of Each Pool End
    Then Each Pool Recovers In Time
    ${uses} =    And Many Clients Use Each Pool
    And Each Pool Keeps Its Promises    ${uses}
