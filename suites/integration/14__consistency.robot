*** Settings ***
Documentation    Deleting a document removes all that belongs to it, and whatever is left in the end belongs together.

Resource         ../../resources/common.resource
Resource         ../../resources/users.resource
Resource         ../../resources/documents.resource
Resource         ../../resources/deletion.resource

Test Tags        criterion:INT-14


*** Test Cases ***
A Document Deleted While It Is Processed Is Gone
    [Metadata]    Criterion    INT-14
    Given Alice is signed in
    When Alice deletes a document while it is processed
    Then no route knows it
    And no list holds it

Deleting A Document Removes All That Belongs To It
    [Metadata]    Criterion    INT-14
    When a user has deleted one of two documents
    Then no route knows it
    And no list holds it
    And no answer stands on it
    And the other document is untouched
    And the same questions are answered from what is left

Deleting A Document Leaves No Row Behind
    [Metadata]    Criterion    INT-14
    [Tags]    needs-sql
    [Setup]    Need    sql
    When a user has deleted one of two documents
    Then no row of it is left
    And every row of the other document is there

A Deleted Document Can Be Uploaded Again
    [Metadata]    Criterion    INT-14
    When a user has deleted one of two documents
    Then the same content counts as new
    And no route knows it
    And no list holds it

Everything That Is Left Belongs Together
    [Metadata]    Criterion    INT-14
    [Tags]    needs-sql
    Wait Until No Job Is Working
    Get Contradictions    ==    ${NO PROBLEMS}
