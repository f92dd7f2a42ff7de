"""Faults of a recipe's document: against the schema of recipes first, and then what no schema can say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jsonschema

from hms_oms.recipes import limits, payload_schema, recipe_schema
from hms_oms.recipes.retention import personal_data, table
from hms_oms.recipes.schedules import written
from hms_oms.recipes.steps import child_jobs, parts, waits


def of(document: Any) -> list[str]:
    """Every fault of the document, each by its field."""
    validator = jsonschema.Draft202012Validator(recipe_schema.SCHEMA)
    faults = [
        f"{'.'.join(str(part) for part in error.absolute_path) or 'recipe'}: {error.message}"
        for error in sorted(
            validator.iter_errors(document), key=lambda error: list(map(str, error.absolute_path))
        )
    ]
    faults += [f"{path}: not a finite number" for path in payload_schema.not_finite(document)]
    if faults:
        return faults
    faults += _repeated("steps", [step["name"] for step in document["steps"]])
    faults += waits.faults(document["steps"])
    faults += _repeated("columns", [column["name"] for column in document.get("columns", ())])
    try:
        jsonschema.Draft202012Validator.check_schema(document["payload"])
    except jsonschema.SchemaError as error:
        where = ".".join(["payload", *(str(part) for part in error.absolute_path)])
        faults.append(f"{where}: not a JSON Schema: {error.message}")
        return faults
    faults += parts.faults(document)
    faults += child_jobs.faults(document)
    fields = document["payload"].get("properties", {})
    key = document.get("key")
    if key is not None and key not in document["payload"].get("required", ()):
        faults.append(f"key: {key} is not a required field of the payload")
    faults += _size_faults(document.get("size"), fields)
    for position, column in enumerate(document.get("columns", ())):
        target = column.get("field", column["name"])
        if target not in fields:
            faults.append(f"columns.{position}.field: {target} is not a field of the payload")
    faults += [
        f"show.{position}: {name} is not a field of the payload"
        for position, name in enumerate(document.get("show", ()))
        if name not in fields
    ]
    faults += limits.faults(document)
    faults += personal_data.faults(document["payload"])
    faults += table.faults(document.get("retention", {}))
    faults += written.document_faults(document)
    return faults


def _size_faults(size: str | None, fields: Mapping[str, Any]) -> list[str]:
    if size is None:
        return []
    if size not in fields:
        return [f"size: {size} is not a field of the payload"]
    if personal_data.is_personal(fields[size]):
        return [f"size: {size} holds personal data: estimates are kept by its value"]
    return []


def _repeated(where: str, names: Sequence[str]) -> list[str]:
    return [f"{where}: {name} stands there twice" for name in dict.fromkeys(names) if names.count(name) > 1]
