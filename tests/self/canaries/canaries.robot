*** Settings ***
Documentation       Spills secrets in every way that a step can; run by test_canaries.py, which searches what is left behind.
Resource            ../../../resources/common.resource
Resource            ../../../resources/users.resource
Library             RequestsLibrary
Library             Spilling.py
Suite Teardown      Spill At The End
Metadata            Spilled    ${SPILLED}
Metadata            Claims    PRE


*** Variables ***
${SPILLED}      %{CANARY_ENVIRONMENT}


*** Test Cases ***
Born In The Run
    [Documentation]    Tokens of a session, and its signed address
    Alice is signed in
    ${token}    Spilled Token    Alice
    Log    ${token}
    Fail    the token ${token} was refused

In Arguments And Values
    ${token}    Spilled Secret
    VAR    ${longer}    ${{'x' * 190}}${token}
    VAR    @{several}    a    ${token}    c
    FOR    ${one}    IN    @{several}    ${token}
        Log    ${one}
    END
    WHILE    '${token}' == 'never'    limit=3
        No Operation
    END
    TRY
        Spill In A Message
    EXCEPT    ${token}    AS    ${error}
        No Operation
    EXCEPT    *    type=glob    AS    ${error}
        Log    ${error}    level=TRACE
    END
    Set Test Message    ${token}
    Set Test Documentation    ${token}
    Should Be Equal    ${token}    something else

In A Return Value
    ${returned}    Returned
    Should Be Empty    ${returned}

In Other Clothes
    ${token}    Spilled Secret
    Spill In Other Clothes
    Should Be Equal    ${token}    ${{base64.b64encode($token.encode()).decode()}}

In A Teardown
    No Operation
    [Teardown]    Spill In A Message

In A Cause
    Spill In A Cause

In Titles
    [Documentation]    They are written before any listener can clean them.
    ${token}    Spilled Secret
    GROUP    Signing in with ${token}, which takes a title so long that log.html packs it ${{'and packs it ' * 9}}
        Log    short
    END
    GROUP    ${token}
        Fail    in the end
    END

In A Session Of Another Library
    ${token}    Spilled Secret
    ${headers}    Headers Of A Session
    Create Session    open    ${ADDRESS}    headers=${headers}
    POST On Session    open    /sessions    json=${{ {'email': 'a', 'password': $token} }}    params=key=${token}
    VAR    @{user}    somebody    ${token}
    Create Session    closed    ${ADDRESS}    auth=${user}
    POST On Session    closed    /sessions    json=${{ {'email': 'a'} }}
    Fail    ${headers}

In Files
    Leave Files    planted
    Fail    in the end

In Evidence
    Record Everything
    Fail    in the end


*** Keywords ***
Spill At The End
    Leave Files    late
    Spill In A Message

Returned
    ${token}    Spilled Secret
    RETURN    ${token}
