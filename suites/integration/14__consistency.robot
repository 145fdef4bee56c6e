*** Settings ***
Documentation    Deleting a document removes all that belongs to it, and whatever is left in the end belongs together.

Resource         ../../resources/common.resource
Resource         ../../resources/consistency.resource


*** Test Cases ***
A Document Deleted While It Is Processed Is Gone
    [Metadata]    Criterion    INT-14
    A Document Deleted While It Is Processed Is Gone

Deleting A Document Removes All That Belongs To It
    [Metadata]    Criterion    INT-14
    When someone has deleted one of two documents
    Then no route and no list knows it
    And no answer stands on it
    And the other document is untouched

Deleting A Document Leaves No Row Behind
    [Metadata]    Criterion    INT-14
    [Tags]    needs-sql
    When someone has deleted one of two documents
    Then no row of it is left

A Deleted Document Can Be Uploaded Again
    [Metadata]    Criterion    INT-14
    When someone has deleted one of two documents
    Then the same content counts as new

Everything That Is Left Belongs Together
    [Metadata]    Criterion    INT-14
    [Tags]    needs-sql
    Everything That Is Left Belongs Together
