"""The JSON Schema of a recipe's file: what may stand in it, and what each key means.

Editors read it (`hms recipe schema`), the loader refuses by it, and the reference of keys is made from it.
"""

from __future__ import annotations

from typing import Any

from hms_oms.recipes import limits
from hms_oms.recipes.schedules import written
from hms_oms.recipes.sla_bounds import LEAST_MINUTES, MOST_MINUTES
from hms_oms.recipes.steps import child_jobs, parts, waits

#: How the text of a file's cell is read (see hms_act.files.csv_rows).
COLUMN_KINDS = ("text", "positive-integer", "number", "date")

_NAME = {"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,62}$"}


def _seconds(description: str, default: float) -> dict[str, Any]:
    return {"type": "number", "minimum": 0, "default": default, "description": description}


_RETRY: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "description": "How often and how late the step is tried again after it has failed.",
    "properties": {
        "attempts": {
            "type": "integer",
            "minimum": 1,
            "maximum": 100,
            "default": 3,
            "description": "How often the step is tried in all before the job has failed.",
        },
        "base_seconds": _seconds("How long the first retry waits, in seconds.", 2),
        "factor": {
            "type": "number",
            "minimum": 1,
            "default": 2,
            "description": "How many times as long each further retry waits.",
        },
        "max_seconds": _seconds("The longest that any retry waits, in seconds.", 300),
        "jitter": {
            "type": "number",
            "minimum": 0,
            "maximum": 1,
            "default": 0.1,
            "description": "The share of the wait that is added at random, so that retries spread.",
        },
        "errors": {
            "type": "array",
            "items": {"type": "string"},
            "default": [],
            "description": "The exceptions that are tried again; empty: all but programming errors.",
        },
    },
}

_STEP: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name"],
    "properties": {
        "name": {
            **_NAME,
            "description": "What the step is called; later steps read its result by this name.",
        },
        "run": {
            "type": "string",
            "pattern": "^[a-z][a-z0-9_.]*$",
            "description": 'What its function is marked with, @step("..."); else the name of the step.',
        },
        "queue": {
            **_NAME,
            "description": "The queue in which the job waits for this step; else the recipe's.",
        },
        "by": {
            "enum": ["worker", "agent", "event", "jobs"],
            "default": "worker",
            "description": "Who does it: a Celery worker, or any program that reserves it over HTTP. That of"
            " an event is over when the event is signalled, that of jobs when those have ended that earlier"
            " steps have started.",
        },
        **waits.KEYS,
        **parts.KEYS,
        **child_jobs.KEYS,
        "time_limit": {
            "type": "integer",
            "minimum": 1,
            "maximum": 86400,
            "default": 300,
            "description": "How long a run may take, in seconds; then it is ended and counts as failed.",
        },
        "heartbeat": {
            "type": "integer",
            "minimum": 1,
            "maximum": 86400,
            "description": "A run that says nothing for so many seconds, neither by `run.heartbeat()` nor by"
            " `run.progress()`, is ended and counts as failed.",
        },
        "retry": _RETRY,
    },
}

_STEP["properties"]["branches"] = parts.branches(_STEP["properties"])

_COLUMN: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "minLength": 1, "description": "The heading of the column in the file."},
        "field": {
            "type": "string",
            "minLength": 1,
            "description": "The field of the payload that it fills; else the one of the same name.",
        },
        "kind": {
            "enum": list(COLUMN_KINDS),
            "default": "text",
            "description": "How the text of a cell is read.",
        },
    },
}


def _duration(description: str) -> dict[str, Any]:
    return {"type": "string", "examples": ["90d", "26w", "2y", "never"], "description": description}


_RETENTION: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "description": "How long what finished jobs leave behind is kept, as 90d, 26w, 2y or never removed.",
    "properties": {
        "jobs": _duration("How long a job is kept, from its end on; else as HMS_KEEP_JOBS says."),
        "events": _duration("How long its event log is kept; no longer than the job."),
        "messages": _duration("How long its texts are kept; no longer than the job."),
        "attempts": _duration("How long all attempts of its texts but the last are kept."),
        "personal_data": _duration("How long personal data in the job and its texts is kept."),
        "keys": _duration("How long its key stays known; no shorter than the job is kept."),
    },
}

_SCHEDULE: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name", "cron"],
    "properties": {
        "name": {**_NAME, "description": "What the schedule is called; no two have one name."},
        "cron": {
            "type": "string",
            "examples": ["0 6 * * MON-FRI"],
            "description": "Minute, hour, day of the month, month, day of the week; or @daily.",
        },
        "timezone": {
            "type": "string",
            "examples": ["America/Chicago"],
            "description": "The time zone of its clock; else the office's.",
        },
        "calendar": {
            "type": "string",
            "examples": ["US", "US-IL", "NYSE"],
            "description": "The calendar on whose business days alone it is due.",
        },
        "payload": {"type": "object", "description": "The payload of the one job that a run starts."},
        "source": {
            "type": "string",
            "minLength": 1,
            "maxLength": 1000,
            "examples": ["grants/day-*.csv", "https://files.example.gov/day.csv"],
            "description": "The files that become cycles: a folder below HMS_INCOMING, or an https URL.",
        },
        "sla_minutes": {
            "type": "number",
            "minimum": LEAST_MINUTES,
            "maximum": MOST_MINUTES,
            "description": "Minutes from accepted to done, instead of the SLA of the queue.",
        },
        "catch_up": {
            "enum": list(written.CATCH_UP),
            "default": "last",
            "description": "Which of the runs that were due during an outage are made up for after it.",
        },
        "catch_up_hours": {
            "type": "integer",
            "minimum": 1,
            "maximum": written.MOST_HOURS,
            "default": 24,
            "description": "What was due longer ago than that is not made up for.",
        },
        "overlap": {
            "enum": list(written.OVERLAP),
            "default": "start",
            "description": "What a run does while work of the run before is open.",
        },
        "missing_after_minutes": {
            "type": "integer",
            "minimum": 1,
            "maximum": written.MOST_MINUTES,
            "default": 15,
            "description": "How long a run waits for its file before somebody is called.",
        },
    },
}

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Recipe",
    "description": "A job type: its queue, its default SLA, the payload that it accepts and its steps.",
    "type": "object",
    "additionalProperties": False,
    "required": ["type", "queue", "sla_minutes", "payload", "steps"],
    "properties": {
        "$schema": {"type": "string", "description": "Where an editor finds this schema."},
        "type": {
            "type": "string",
            "pattern": "^[a-z][a-z0-9_-]*(:[a-z0-9_-]+)*:v[0-9]+$",
            "description": "The name of the job type with its version, as in shop:order:v1.",
        },
        "summary": {"type": "string", "description": "What such a job is, in one sentence."},
        "module": {
            "type": "string",
            "pattern": "^[A-Za-z_][A-Za-z0-9_.]*$",
            "description": "The Python module of its steps, beside the recipes or installed.",
        },
        "queue": {**_NAME, "description": "The queue in which its jobs wait; an SLA belongs to a queue."},
        "sla_minutes": {
            "type": "number",
            "minimum": LEAST_MINUTES,
            "maximum": MOST_MINUTES,
            "description": "Minutes from accepted to done, until an SLA is set for the queue.",
        },
        "key": {
            "type": "string",
            "description": "The field of the payload by which two requests are the same job.",
        },
        "size": {
            "type": "string",
            "description": "The field of the payload that tells how much work a job is, as a number of pages"
            " or the kind of a case: how long jobs of about that size take is measured.",
        },
        "must": {
            "type": "boolean",
            "default": False,
            "description": "Whether its jobs are never given up for others when not all can be on time.",
        },
        "steps": {
            "type": "array",
            "minItems": 1,
            "items": _STEP,
            "description": "The steps, in the order in which they are done.",
        },
        "show": {
            "type": "array",
            "items": {"type": "string"},
            "uniqueItems": True,
            "maxItems": 10,
            "examples": [["name", "phone"]],
            "description": "The fields of the payload that lists of jobs show, and by whose words, with those"
            " of the key, a job is found (`hms job find`).",
        },
        "columns": {
            "type": "array",
            "items": _COLUMN,
            "description": "The columns of a file of requests, for `hms cycle run`.",
        },
        "payload": {
            "type": "object",
            "description": "A JSON Schema (2020-12) of the payload; further formats: phone, us-county."
            " A field that says personal = true holds personal data.",
        },
        "limit": limits.SCHEMA,
        "retention": _RETENTION,
        "schedule": {
            "type": "array",
            "items": _SCHEDULE,
            "description": "When jobs or cycles of this type are started by themselves.",
        },
    },
}
