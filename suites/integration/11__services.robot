*** Settings ***
Documentation    The deployment uses the services that it declares: stubs in their place are found out.

Resource         ../../resources/common.resource
Resource         ../../resources/pipeline.resource

Test Tags        criterion:INT-15


*** Test Cases ***
Documents Are Parsed By The Declared Parser
    [Metadata]    Criterion    INT-15
    [Tags]    needs-sql
    Given Need Declared Provider    parser
    And every complete document is known
    Then each was parsed by the declared parser

Vectors Are Of The Declared Embedding Model
    [Metadata]    Criterion    INT-15
    [Tags]    needs-sql
    Given Need Declared Provider    embedding
    And every complete document is known
    Then each vector is of the declared embedding model

Answers Are Given By The Declared Model
    [Metadata]    Criterion    INT-15
    Every Answer Is Given By The Declared Model
