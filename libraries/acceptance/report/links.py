"""Where things stand in the report: what the documents link to, the gate page has."""

from __future__ import annotations

import re

PAGE = "gate.html"


def anchor(reference: str) -> str:
    """The `id` of an observation in the gate page, by its run and line (`run/writer:number`)."""
    return "o-" + re.sub(r"[^A-Za-z0-9-]", "-", reference)
