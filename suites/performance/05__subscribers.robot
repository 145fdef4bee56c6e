*** Settings ***
Documentation    A thousand people who follow their documents at the same time are told what one would be told.

Resource         ../../resources/common.resource
Resource         ../../resources/closed_loop.resource

Test Tags        load    slow


*** Test Cases ***
Subscribers Listen At Once
    [Metadata]    Criterion    PERF-12
    Subscribers Listen At Once    ${SCALE}

Every Subscriber Is Told Everything Once And In Order
    [Metadata]    Criterion    PERF-12
    Every Subscriber Is Told Everything Once And In Order    ${SCALE}
