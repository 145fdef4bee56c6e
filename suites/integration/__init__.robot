*** Settings ***
Documentation    The deployment does, end to end, what the local integration did.

Resource         ../../resources/common.resource
Resource         ../../resources/protection.resource

Suite Setup      An Upload Address Is Left To Expire
