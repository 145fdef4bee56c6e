*** Settings ***
Documentation    The page on phones and tablets, held upright and across: it fits, everything on it can be touched, and nothing is covered.
...              Engines that know touch are touched; the window of WebKit is at least 447 px wide.

Resource         ../../resources/common.resource
Resource         ../../resources/page.resource
Resource         ../../resources/page_fit.resource

Test Teardown    The Page Is Closed
Test Template    The Page Can Be Used On

Test Tags        criterion:BRW-02


*** Test Cases ***
A Phone In Chromium
    [Metadata]    Criterion    BRW-02
    chromium    ${PHONE}
A Phone In Firefox
    [Metadata]    Criterion    BRW-02
    firefox    ${PHONE}
A Phone In WebKit
    [Metadata]    Criterion    BRW-02
    webkit    ${PHONE}
A Tablet In Chromium
    [Metadata]    Criterion    BRW-02
    chromium    ${TABLET}
A Tablet In Firefox
    [Metadata]    Criterion    BRW-02
    firefox    ${TABLET}
A Tablet In WebKit
    [Metadata]    Criterion    BRW-02
    webkit    ${TABLET}


*** Keywords ***
The Page Can Be Used On
    [Documentation]    Of a device: log in, see the documents, ask, read the source.
    [Arguments]    ${engine: str}    ${size: dict}
    Given Reader has a processed document
    And the page is open in    ${engine}    ${size}
    Then the page fits both ways    log in
    When Reader logs in on the page
    Then the page fits both ways    documents
    When a question is asked
    Then the page answers with the figure and its source
    And the page fits both ways    answer
    When the source is opened
    Then the page fits both ways    source
