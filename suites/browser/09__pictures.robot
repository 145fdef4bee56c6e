*** Settings ***
Documentation    What the steps of the journey look like, engine by engine and size by size, for a person to look at.

Resource         ../../resources/common.resource
Resource         ../../resources/page.resource

Test Tags        criterion:BRW-03


*** Test Cases ***
Every Step Is Pictured In Every Engine
    [Metadata]    Criterion    BRW-03
    Every Step That Was Pictured Is Recorded
