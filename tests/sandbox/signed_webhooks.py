"""Hooks of Schemathesis: a signature that looks like one is replaced by that of the body."""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from typing import Any

import requests
import schemathesis

HEADER = "LC-Signature"


@schemathesis.hook
def before_call(_: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]) -> None:
    if re.fullmatch("sha256=[0-9a-f]{64}", str(case.headers.get(HEADER, ""))):
        body = requests.Request(**case.as_transport_kwargs(base_url="http://sandbox")).prepare().body or b""
        assert isinstance(body, str | bytes)
        content = body.encode() if isinstance(body, str) else body
        secret = os.environ["SANDBOX_WEBHOOK_SECRET"].encode()
        case.headers[HEADER] = f"sha256={hmac.new(secret, content, hashlib.sha256).hexdigest()}"
