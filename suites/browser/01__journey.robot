*** Settings ***
Documentation    The journey of a person, on each engine: no console error, no failed request.

Resource         ../../resources/common.resource
Resource         ../../resources/page.resource

Test Teardown    The Page Is Closed
Test Template    The Journey Works In

Test Tags        criterion:BRW-01


*** Test Cases ***
Chromium
    [Metadata]    Criterion    BRW-01
    chromium
Firefox
    [Metadata]    Criterion    BRW-01
    firefox
WebKit
    [Metadata]    Criterion    BRW-01
    webkit


*** Keywords ***
The Journey Works In
    [Documentation]    From registration to logging out, in an engine of this machine.
    [Arguments]    ${engine: str}
    VAR    ${PICTURES}    ${True}    scope=TEST
    Given the page is open in    ${engine}
    When Alice makes an account and logs in
    And a document is uploaded
    And the progress is watched to its end
    And a question is asked
    Then the page answers with the figure and its source
    And the source can be read
    And the person logs out
    And nothing went wrong in the page
