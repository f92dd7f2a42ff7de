"""The payload of `hms job start`: read from `key=value` words and a JSON file, every fault told at once."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping, Sequence
from typing import IO, Any

from hms_floor.cli.terminal import api_client
from hms_oms.documents.jobs import JobType
from hms_oms.recipes import payload_schema as schema
from hms_oms.runtime import text_decoding
from hms_oms.runtime.errors import RequestRejected, UnknownJobType

Faults = list[tuple[str, str]]

#: A word that is no JSON is this, so that None stays a value.
_UNREADABLE = object()


def of_type(job_type: str, words: Sequence[str], file: IO[bytes] | None) -> dict[str, Any]:
    """The payload for a job type. Raises UnknownJobType, and RequestRejected with every fault."""
    known = {recipe.type: recipe for recipe in api_client.oms().job_types()}
    if job_type not in known:
        raise UnknownJobType(job_type, list(known))
    return build(known[job_type], words, file)


def build(job_type: JobType, words: Sequence[str], file: IO[bytes] | None) -> dict[str, Any]:
    """The payload that the words ask for, on top of what the file holds.

    Raises RequestRejected with every fault: unknown and missing fields, values of the wrong kind.
    """
    faults: Faults = []
    payload = _from_file(file, faults) if file else {}
    payload |= _from_words(job_type, words, faults)
    faults += _unknown(job_type, payload)
    named = {field for field, _ in faults}
    faults += [
        (field, "is missing")
        for field in job_type.payload.get("required", ())
        if field not in payload and field not in named
    ]
    faults += _against_schema(job_type, payload, {field for field, _ in faults})
    if faults:
        raise RequestRejected(faults)
    return payload


def _from_file(file: IO[bytes], faults: Faults) -> dict[str, Any]:
    try:
        document = _strict(text_decoding.decode(file.read()))
    except text_decoding.Undecodable as error:
        faults.append(("--payload", f"cannot be read: {error}"))
        return {}
    except (ValueError, RecursionError) as error:
        faults.append(("--payload", f"is not JSON: {error}"))
        return {}
    if not isinstance(document, dict):
        faults.append(("--payload", 'is not a JSON object such as {"appId": 219}'))
        return {}
    return document


def _from_words(job_type: JobType, words: Sequence[str], faults: Faults) -> dict[str, Any]:
    payload: dict[str, Any] = {}
    for word in words:
        field, sign, written = word.partition("=")
        if not sign or not field:
            faults.append((word, "is not of the form key=value"))
            continue
        if field in payload:
            faults.append((field, "is given twice"))
            continue
        kinds = _kinds(job_type, field)
        payload[field] = written if "string" in kinds or not kinds else _parsed(written)
        if payload[field] is _UNREADABLE:
            del payload[field]
            faults.append((field, f"{written!r} is not a JSON {' or '.join(sorted(kinds))}"))
    return payload


def _kinds(job_type: JobType, field: str) -> set[str]:
    """The JSON types that the schema gives a field; empty where it gives none."""
    schema = job_type.payload.get("properties", {}).get(field)
    kinds = schema.get("type", ()) if isinstance(schema, Mapping) else ()
    return {kinds} if isinstance(kinds, str) else set(kinds)


def _parsed(written: str) -> Any:
    try:
        return _strict(written)
    except (ValueError, RecursionError):
        return _UNREADABLE


def _strict(text: str) -> Any:
    """JSON as the standard has it: no NaN, and no number that is too large to be one."""

    def number(digits: str) -> float:
        value = float(digits)
        if not math.isfinite(value):
            raise ValueError(f"{digits} is not a number that JSON knows")
        return value

    return json.loads(text, parse_float=number, parse_constant=number)


def _unknown(job_type: JobType, payload: Mapping[str, Any]) -> Faults:
    if job_type.payload.get("additionalProperties", True) is not False:
        return []
    known = list(job_type.payload.get("properties", {}))
    faults = []
    for field in payload:
        if field not in known:
            near = difflib.get_close_matches(field, known, n=1)
            advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            faults.append((field, f"is not a field of {job_type.type}; {advice}"))
    return faults


def _against_schema(job_type: JobType, payload: Mapping[str, Any], reported: set[str]) -> Faults:
    """Schema faults not reported yet; those of the whole payload only if no field has one."""
    return [
        (field, reason)
        for field, reason in schema.faults(job_type.payload, payload)
        if field.partition(".")[0] not in reported and (field != "payload" or not reported)
    ]
