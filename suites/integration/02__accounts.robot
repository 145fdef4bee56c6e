*** Settings ***
Documentation    People register, sign in and out: each gets a session of their own that ends when it should,
...              and whoever has the wrong credentials gets nothing and learns nothing.

Resource         ../../resources/common.resource
Resource         ../../resources/session.resource


*** Test Cases ***
A Session Ends When It Says
    [Metadata]    Criterion    INT-01
    A Session Ends When It Says

Whoever Registers Gets A Session Of Their Own
    [Metadata]    Criterion    INT-01
    When Sasha registers
    Then the session is Sasha's own
    And the token of Sasha lives as long as announced
    And the session of Sasha goes on

Whoever Signs In Gets A Session Of Their Own
    [Metadata]    Criterion    INT-01
    Several People Sign In At Once    5

Malformed Addresses Are Refused
    [Metadata]    Criterion    INT-01
    [Template]    Malformed Address Is Refused
    ${EMPTY}
    nobody
    @example.com
    nobody@
    nobody@example..com
    two words@example.com
    nobody@home@example.com

Weak Passwords Are Refused
    [Metadata]    Criterion    INT-01
    [Template]    Weak Password Is Refused
    no characters
    one character
    one character too few

The Shortest Strong Password Is Accepted
    [Metadata]    Criterion    INT-01
    Shortest Strong Password Is Accepted

A Nearly Right Password Is Refused
    [Metadata]    Criterion    INT-01
    Nearly Right Password Is Refused

Wrong Password And Unknown User Look The Same
    [Metadata]    Criterion    INT-01
    Given Alice is signed in
    Then a wrong password of Alice and an unknown user look the same

Signing Up With A Known Address Reveals Nothing
    [Metadata]    Criterion    INT-01
    Given Alice registers
    Then registering the address of Alice again reveals nothing

Refreshing Gives New Tokens And The Used Ones Stop
    [Metadata]    Criterion    INT-02
    Given Alice is signed in
    When Alice refreshes the session 3 times
    Then each refresh token of Alice was new
    And the session is Alice's own
    And the refresh tokens that Alice used are refused

One Refresh Token Serves One Caller
    [Metadata]    Criterion    INT-02
    Given Alice is signed in
    Then one refresh token of Alice serves one caller of several at once

Logging Out Ends The Session
    [Metadata]    Criterion    INT-02
    Given Alice is signed in
    And Alice refreshes the session 1 times
    When Alice logs out
    Then the session of Alice is over
    When Alice signs in again
    Then the session of Alice goes on

An Expired Token Is Refused And A Refresh Brings A New One
    [Metadata]    Criterion    INT-02
    Given the session of Sam has expired
    Then the access token of Sam is refused
    When Sam refreshes the session 1 times
    Then the session of Sam goes on

Sessions Of One User Are Independent
    [Metadata]    Criterion    INT-02
    Given Alice is signed in
    And Alice is signed in on her phone too
    And Alice is signed in on her tablet too
    When Alice on her phone refreshes the session 1 times
    And Alice on her phone logs out
    Then the session of Alice on her phone is over
    And the session of Alice on her tablet goes on
    And the session of Alice goes on
