*** Settings ***
Documentation    The load rises and falls, and the instances follow it: soon, within their bounds, and without anything failing.

Resource         ../../resources/common.resource
Resource         ../../resources/platform.resource

Test Tags        criterion:CLOUD-04    load    needs-scale    needs-platform-api


*** Test Cases ***
Instances Come Soon After The Load Rises
    [Metadata]    Criterion    CLOUD-04
    Given the load rises and falls
    Record Scaling
    Then Scaling Figure Should Keep Its Limit    steps_up    >=
    And Scaling Time Should Be    scale_up_time    up_within

Instances Go Soon After The Load Falls
    [Metadata]    Criterion    CLOUD-04
    Given the load rises and falls
    Then Scaling Figure Should Keep Its Limit    steps_down    >=
    And Scaling Time Should Be    scale_down_time    down_within

There Are Never Fewer Or More Instances Than Configured
    [Metadata]    Criterion    CLOUD-04
    Given the load rises and falls
    Then Scaling Figure Should Keep Its Limit    out_of_bounds    <=

The Number Of Instances Does Not Flap
    [Metadata]    Criterion    CLOUD-04
    Given the load rises and falls
    Then Scaling Figure Should Keep Its Limit    direction_changes    <=

No Request Fails Because An Instance Comes Or Goes
    [Documentation]    Neither one of the load, nor one on a slow line that is under way for seconds.
    [Metadata]    Criterion    CLOUD-04
    Given the load rises and falls
    Then Scaling Figure Should Keep Its Limit    failed_by_change    <=

Instances That Are Reported Are Really There
    [Documentation]    The provider's list of instances agrees with its own count, and with what answers.
    [Metadata]    Criterion    CLOUD-04
    Given the load rises and falls
    Then Scaling Figure Should Keep Its Limit    missing_instances    <=
