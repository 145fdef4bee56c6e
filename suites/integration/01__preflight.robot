*** Settings ***
Documentation    Phase 1 still holds: all services are there, configured, and reach one another.

Resource         ../../resources/common.resource
Resource         ../../resources/preflight.resource


*** Test Cases ***
Every Service Answers And Says Which Build It Is
    [Metadata]    Criterion    PRE-01
    Every Service Answers And Names Its Build

Configuration And Secrets Are Present
    [Metadata]    Criterion    PRE-02
    Everything That The Run Needs Is Configured

The Limits Allow The Load That Is About To Run
    [Metadata]    Criterion    PRE-02
    The Limits Allow The Load

The Services Reach One Another
    [Metadata]    Criterion    PRE-03
    The Services Reach One Another
