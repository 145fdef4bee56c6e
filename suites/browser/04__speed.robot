*** Settings ***
Documentation    How quickly the page is there and answers a press: medians of five loads, with an empty cache and a filled one.

Resource         ../../resources/common.resource
Resource         ../../resources/page.resource
Resource         ../../resources/page_speed.resource

Test Teardown    The Page Is Closed

Test Tags        criterion:PERF-10


*** Test Cases ***
A Desktop In Chromium
    [Metadata]    Criterion    PERF-10
    When the page is measured in    chromium    ${DESKTOP}
    Then the page is quick

A Phone In Chromium
    [Documentation]    On a line and with a processor as slow as those of a phone.
    [Metadata]    Criterion    PERF-10
    When the page is measured in    chromium    ${SLOW PHONE}
    Then the page is quick

A Desktop In Firefox
    [Metadata]    Criterion    PERF-10
    When the page is measured in    firefox    ${DESKTOP}
    Then the page is quick

A Desktop In WebKit
    [Metadata]    Criterion    PERF-10
    When the page is measured in    webkit    ${DESKTOP}
    Then the page is quick


*** Keywords ***
The Page Is Quick
    [Documentation]    With an empty cache, and with a filled one; what the engine does not report is left out.
    [Tags]    robot:continue-on-failure
    Given the figures keep their limits    cold
    And the figures keep their limits    warm
