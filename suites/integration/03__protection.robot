*** Settings ***
Documentation    Protected routes are protected: whoever has no right gets in nowhere, and changes nothing by trying.

Resource         ../../resources/common.resource
Resource         ../../resources/protection.resource

Suite Setup      An Upload Address Is Left To Expire


*** Test Cases ***
The Matrix Covers Every Route Of The Contract
    [Metadata]    Criterion    INT-03
    The Matrix Covers Every Route Of The Contract

Whoever Has The Right Is Let In
    [Metadata]    Criterion    INT-03
    The Owner Is Let In
    Public Routes Need No Credential

No Token Opens Nothing
    [Metadata]    Criterion    INT-03
    Nothing Opens With    none

Garbage Opens Nothing
    [Metadata]    Criterion    INT-03
    Nothing Opens With    garbage

A Wrong Signature Opens Nothing
    [Metadata]    Criterion    INT-03
    Nothing Opens With    wrong_signature

A Token Without A Signature Opens Nothing
    [Metadata]    Criterion    INT-03
    Nothing Opens With    alg_none

An Expired Token Opens Nothing
    [Metadata]    Criterion    INT-03
    Nothing Opens With    expired

Another User's Token Opens Nothing
    [Metadata]    Criterion    INT-03
    Nothing Opens With    other_user

Badly Signed Webhooks Change Nothing
    [Metadata]    Criterion    INT-03
    Badly Signed Webhooks Change Nothing

Repeated Webhooks Change Nothing
    [Metadata]    Criterion    INT-03
    Repeated Webhooks Change Nothing

Repeated Webhooks Do Not Disturb The Processing
    [Metadata]    Criterion    INT-03
    Repeated Webhooks Do Not Disturb The Processing

A Forged Upload Address Stores Nothing
    [Metadata]    Criterion    INT-03
    Forged Addresses Store Nothing

A Used Upload Address Stores Nothing
    [Metadata]    Criterion    INT-03
    Used Address Stores Nothing

An Expired Upload Address Stores Nothing
    [Metadata]    Criterion    INT-03
    Expired Address Stores Nothing
