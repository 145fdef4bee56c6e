*** Settings ***
Documentation    Users register, sign in and out: each gets a session of their own that ends when it should,
...              and wrong credentials give no session and no information.

Resource         ../../resources/common.resource
Resource         ../../resources/users.resource


*** Test Cases ***
A Session Ends When Announced
    [Metadata]    Criterion    INT-01
    [Tags]    criterion:INT-01
    Given the session of Sam has expired
    Then the token of Sam lives as long as announced
    And the session of Sam lasted as long as announced
    And the access token of Sam is refused

A Registered User Gets A Session Of Their Own
    [Metadata]    Criterion    INT-01
    [Tags]    criterion:INT-01
    When Sasha registers
    Then the session is Sasha's own
    And the token of Sasha lives as long as announced
    And the session of Sasha works

Users Who Sign In At Once Get Sessions Of Their Own
    [Metadata]    Criterion    INT-01
    [Tags]    criterion:INT-01
    VAR    @{users}    Alice    Bob    Carol    Dave    Erin
    When Create Users Concurrently    @{users}
    Then sessions are their users' own    @{users}
    When Sign In Concurrently    @{users}
    Then sessions are their users' own    @{users}
    When Sign In Concurrently    @{users}
    Then sessions are their users' own    @{users}
    And tokens live as long as announced    @{users}

Malformed Addresses Are Refused
    [Metadata]    Criterion    INT-01
    [Tags]    criterion:INT-01
    [Template]    Malformed Address Is Refused
    ${EMPTY}
    {unique}
    @example.com
    {unique}@
    {unique}@example..com
    two {unique}@example.com
    {unique}@home@example.com

Weak Passwords Are Refused
    [Metadata]    Criterion    INT-01
    [Tags]    criterion:INT-01
    [Template]    Weak Password Is Refused
    characters=0
    characters=1
    too_few_by=1

The Shortest Strong Password Is Accepted
    [Metadata]    Criterion    INT-01
    [Tags]    criterion:INT-01
    When Sasha registers with the shortest strong password
    Then the session is Sasha's own

A Nearly Right Password Is Refused
    [Metadata]    Criterion    INT-01
    [Tags]    criterion:INT-01
    Given Alice registers with a long password
    Then each nearly right password of Alice is refused
    And Alice signs in again

Wrong Password And Unknown User Look The Same
    [Metadata]    Criterion    INT-01
    [Tags]    criterion:INT-01
    Given Alice is signed in
    Then a wrong password of Alice and an unknown user look the same    pairs=21    ms=10

Signing Up With A Known Address Reveals Nothing
    [Metadata]    Criterion    INT-01
    [Tags]    criterion:INT-01
    Given Alice registers
    Then registering the address of Alice again reveals nothing
    And Sign In    Alice    password=reversed    expected=invalid_credentials
    And the session is Alice's own
    When Alice signs in again
    Then the session is Alice's own

Refreshing Gives New Tokens And The Used Ones Are Refused
    [Metadata]    Criterion    INT-02
    [Tags]    criterion:INT-02
    Given Alice is signed in
    When Alice refreshes the session 3 times
    Then each refresh token of Alice is new
    And the session is Alice's own
    And used refresh tokens are refused

A Refresh Token Is Exchanged Once
    [Metadata]    Criterion    INT-02
    [Tags]    criterion:INT-02
    Given Alice is signed in
    Then one refresh token of Alice is exchanged once    times=5
    And the session is Alice's own

Signing Out Ends The Session
    [Metadata]    Criterion    INT-02
    [Tags]    criterion:INT-02
    Given Alice is signed in
    And Alice refreshes the session where that is offered
    When Alice signs out
    Then the session of Alice has ended    @{USED SESSIONS}
    When Alice signs in again
    Then the session of Alice works

An Expired Token Is Refused
    [Metadata]    Criterion    INT-02
    [Tags]    criterion:INT-02
    Given the session of Sam has expired
    Then the access token of Sam is refused
    And Sam is refused to sign out

A Refresh Brings A New Token For An Expired One
    [Metadata]    Criterion    INT-02
    [Tags]    criterion:INT-02
    Given the session of Sam has expired
    When Sam refreshes the session 1 times
    Then the session of Sam works

Sessions Of One User Are Independent
    [Metadata]    Criterion    INT-02
    [Tags]    criterion:INT-02
    Given Alice is signed in
    And Alice is signed in as Alice's phone too
    And Alice is signed in as Alice's tablet too
    When Alice's phone refreshes the session where that is offered
    And Alice's phone signs out where that is offered
    Then the session of Alice's tablet works
    And the session of Alice works
