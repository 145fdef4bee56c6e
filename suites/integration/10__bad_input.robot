*** Settings ***
Documentation    Whatever is wrong is refused as documented, or fails for a reason that its user can read, and leaves nothing behind.

Resource         ../../resources/common.resource
Resource         ../../resources/bad_input.resource


*** Test Cases ***
Nothing Of The Contract Is Left Out
    [Metadata]    Criterion    INT-12
    Every Parameter Of The Contract Has Its Nonsense

Nonsense In Every Parameter Is Refused
    [Metadata]    Criterion    INT-12
    [Template]    Nonsense is refused by each ${kind} route
    public
    user
    owner
    signature

Channels Of Nothing Are Closed
    [Metadata]    Criterion    INT-12
    Channels Of Nothing Are Closed

Absurd File Names Are Refused Or Kept Harmless
    [Metadata]    Criterion    INT-12
    Absurd Names Are Kept Harmless

Wrong Bytes Are Refused And The Right Ones Then Taken
    [Metadata]    Criterion    INT-12
    Wrong Bytes Are Refused And The Right Ones Taken

Documents That May Not Be Uploaded Are Refused
    [Metadata]    Criterion    INT-12
    Unacceptable Documents Are Refused

Documents That Cannot Be Read Fail With A Reason
    [Metadata]    Criterion    INT-12
    Unreadable Documents Fail With A Reason
