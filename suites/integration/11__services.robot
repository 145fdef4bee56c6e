*** Settings ***
Documentation    The deployment uses the services that it says: what stands in for them is found out.

Resource         ../../resources/common.resource
Resource         ../../resources/services.resource


*** Test Cases ***
Documents Are Parsed By The Declared Parser
    [Metadata]    Criterion    INT-15
    [Tags]    needs-sql
    Every document was parsed by the declared parser

Vectors Are Of The Declared Embedding Model
    [Metadata]    Criterion    INT-15
    [Tags]    needs-sql
    Every vector is of the declared embedding model

Answers Are Given By The Declared Model
    [Metadata]    Criterion    INT-15
    Every answer was given by the declared model
