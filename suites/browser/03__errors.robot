*** Settings ***
Documentation    What goes wrong is reported to the person, in a visible and readable message, and the page stays usable afterwards.

Resource         ../../resources/common.resource
Resource         ../../resources/page.resource
Resource         ../../resources/page_errors.resource

Test Teardown    The Page Is Closed

Test Tags        criterion:BRW-04


*** Test Cases ***
A Wrong Password In Chromium
    [Metadata]    Criterion    BRW-04
    Given create user    Walter
    And the page is open in    chromium
    When Walter logs in with a wrong password
    Then a readable problem is reported
    And Walter logs in on the page

A Wrong File In Chromium
    [Documentation]    Refused before it is sent, or by the application; and a right one is taken afterwards.
    [Metadata]    Criterion    BRW-04
    Given Wendy is new at the page of    chromium
    When a document is uploaded    program
    Then a readable problem is reported
    When a document is uploaded    note
    Then the document is processed

A Wrong Password In Firefox
    [Metadata]    Criterion    BRW-04
    Given create user    Walter
    And the page is open in    firefox
    When Walter logs in with a wrong password
    Then a readable problem is reported
    And Walter logs in on the page

A Wrong File In Firefox
    [Documentation]    Refused before it is sent, or by the application; and a right one is taken afterwards.
    [Metadata]    Criterion    BRW-04
    Given Wendy is new at the page of    firefox
    When a document is uploaded    program
    Then a readable problem is reported
    When a document is uploaded    note
    Then the document is processed

A Wrong Password In WebKit
    [Metadata]    Criterion    BRW-04
    Given create user    Walter
    And the page is open in    webkit
    When Walter logs in with a wrong password
    Then a readable problem is reported
    And Walter logs in on the page

A Wrong File In WebKit
    [Documentation]    Refused before it is sent, or by the application; and a right one is taken afterwards.
    [Metadata]    Criterion    BRW-04
    Given Wendy is new at the page of    webkit
    When a document is uploaded    program
    Then a readable problem is reported
    When a document is uploaded    note
    Then the document is processed

A Connection That Is Lost During An Upload
    [Metadata]    Criterion    BRW-04
    Given the line can be cut
    And Wendy is new at the page of    chromium
    And the line is slow    ${200000}
    And a document is uploaded    base64image
    And some of it is sent
    When the page is offline
    Then a readable problem is reported
    When the page is online again
    And the upload is tried again
    Then the document is processed
    [Teardown]    The Page Is Closed And Nothing Is Broken

A Connection That Is Lost During An Answer
    [Metadata]    Criterion    BRW-04
    Given the line can be cut
    And Reader is at the page of    chromium
    And Reader has a processed document
    And the line is slow    ${300}
    When a question is asked and its answer begins
    And the page is offline
    Then a readable problem is reported
    When the page is online again
    Then another question is answered
    [Teardown]    The Page Is Closed And Nothing Is Broken

A Model That Does Not Answer
    [Metadata]    Criterion    BRW-04
    [Tags]    needs-faults
    Given Reader is at the page of    chromium
    And Reader has a processed document
    And the model is down
    When a question is asked
    Then a readable problem is reported
    When undo faults
    Then another question is answered
    [Teardown]    The Page Is Closed And Nothing Is Broken

A Session That Ends In Another Tab
    [Metadata]    Criterion    BRW-04
    Given Wendy is new at the page of    chromium
    When she logs out in another tab
    Then the page asks to log in
    And Wendy can log in again

A Double Click On Upload
    [Metadata]    Criterion    BRW-04
    Given Wendy is new at the page of    chromium
    When a document is chosen
    And press twice    upload
    Then the document is processed
    And it is there once

The Back Button
    [Metadata]    Criterion    BRW-04
    Given Reader is at the page of    chromium
    And Reader has a processed document
    And a question is asked
    And the page answers with the figure and its source
    When Browser.go back
    Then the element is shown    log out
    And a question is asked
    And the page answers with the figure and its source

A Reload In The Middle Of Processing
    [Metadata]    Criterion    BRW-04
    Given Wendy is new at the page of    chromium
    And a document is uploaded
    And the element is shown    progress    document=${DOCUMENT.filename}
    When Browser.reload
    Then the document is processed
