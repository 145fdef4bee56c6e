*** Settings ***
Documentation       A suite of the tests' own, of which a child process of robot shows and plans what happens.
Test Tags           quick


*** Test Cases ***
Kept Promise
    [Metadata]    Criterion    INT-01
    No Operation

Broken Promise
    [Metadata]    Criterion    INT-01 INT-02
    Fail    expected 1, observed 2; request 9ab

Slow Promise
    [Metadata]    Criterion    INT-03
    [Tags]    slow
    Sleep    1.2 s    reason=long enough for a redrawn line of one second

Promise That Cannot Be Judged
    [Metadata]    Criterion    INT-04
    Skip    needs the capability 'sql'
