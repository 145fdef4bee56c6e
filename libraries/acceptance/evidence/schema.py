"""Writes the JSON Schema of one line of evidence: `python -m acceptance.evidence.schema`."""

from __future__ import annotations

import json

from acceptance.evidence.records import schema
from acceptance.yaml_models import PROJECT

SCHEMA = PROJECT / "docs" / "evidence.schema.json"

if __name__ == "__main__":
    SCHEMA.write_text(json.dumps(schema(), indent=2, sort_keys=True) + "\n", encoding="utf-8")
