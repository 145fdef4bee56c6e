*** Settings ***
Documentation    Accessibility: what axe-core finds in each state of the page, and whether everything can be done with the keyboard alone.

Resource         ../../resources/common.resource
Resource         ../../resources/page.resource
Resource         ../../resources/page_accessibility.resource

Test Teardown    The Page Is Closed

Test Tags        criterion:SEC-07


*** Test Cases ***
No Rule Is Broken Before Signing In
    [Documentation]    Findings do not gate: the next phase takes them up.
    [Metadata]    Criterion    SEC-07
    Given the page is open in    chromium
    Then its accessibility is looked at    log in
    When press if there    open registration
    Then its accessibility is looked at    register
    And no rule of accessibility is broken

No Rule Is Broken Behind It
    [Metadata]    Criterion    SEC-07
    Given Reader is at the page of    chromium
    And Reader has a processed document
    Then its accessibility is looked at    documents
    When a question is asked
    And the page answers with the figure and its source
    Then its accessibility is looked at    answer
    When the source is opened
    Then its accessibility is looked at    source
    And no rule of accessibility is broken

The Journey Works With The Keyboard Alone
    [Metadata]    Criterion    SEC-07
    Given Reader has a processed document
    And the page is open in    chromium
    When Reader logs in with the keyboard
    And a question is asked with the keyboard
    Then the page answers with the figure and its source
    And the keyboard is nowhere trapped
