"""A payload against the JSON schema of its job type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jsonschema


def faults(schema: Mapping[str, Any], payload: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every fault of the payload, each by its field; `payload` for those of the whole."""
    validator = jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    return sorted(
        (".".join(str(part) for part in error.absolute_path) or "payload", error.message)
        for error in validator.iter_errors(payload)
    )
