*** Settings ***
Documentation    The page on phones and tablets, held upright and across: it fits, everything on it can be touched, and nothing is covered.
...              Engines that know touch are touched; the window of WebKit is at least 447 px wide.

Resource         ../../resources/common.resource
Resource         ../../resources/page.resource
Resource         ../../resources/page_fit.resource

Test Teardown    The Page Is Closed

Test Tags        criterion:BRW-02


*** Test Cases ***
A Phone In Chromium
    [Metadata]    Criterion    BRW-02
    Given the page is open in    chromium    ${PHONE}
    Then the page can be used by    Reader

A Phone In Firefox
    [Metadata]    Criterion    BRW-02
    Given the page is open in    firefox    ${PHONE}
    Then the page can be used by    Reader

A Phone In WebKit
    [Metadata]    Criterion    BRW-02
    Given the page is open in    webkit    ${PHONE}
    Then the page can be used by    Reader

A Tablet In Chromium
    [Metadata]    Criterion    BRW-02
    Given the page is open in    chromium    ${TABLET}
    Then the page can be used by    Reader

A Tablet In Firefox
    [Metadata]    Criterion    BRW-02
    Given the page is open in    firefox    ${TABLET}
    Then the page can be used by    Reader

A Tablet In WebKit
    [Metadata]    Criterion    BRW-02
    Given the page is open in    webkit    ${TABLET}
    Then the page can be used by    Reader


*** Keywords ***
The Page Can Be Used By
    [Documentation]    Upright and across: log in, see the documents, ask, read the source.
    [Arguments]    ${user: str}
    Given the page fits both ways    log in
    And ${user} has a processed document
    When ${user} logs in on the page
    Then the page fits both ways    documents
    When a question is asked
    Then the page answers with the figure and its source
    And the page fits both ways    answer
    When the source is opened
    Then the page fits both ways    source
