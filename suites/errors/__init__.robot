*** Settings ***
Documentation    Failure and recovery: what is broken is proven to be, is always undone, and the steady state holds afterwards.

Resource         ../../resources/common.resource
Resource         ../../resources/documents.resource

Suite Setup      Begin Expiring Upload
