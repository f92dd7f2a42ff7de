"""Remedies for a server that refuses, by the kind of its refusal."""

from __future__ import annotations

from hms_oms.database import refusals

BROKER, DATABASE = "HMS_BROKER_URL", "HMS_DATABASE_URL"
_OF_REFUSAL = {
    refusals.AWAY: "start it with `hms up`, or correct {setting}",
    "out-of-memory": "raise its memory, or see what fills it",
    "read-only": "point {setting} at the primary, or promote this one",
    "no-space": "make room on its disk; nothing that was accepted is lost",
    "not-allowed": "correct the user and password in {setting}",
    "too-many-connections": "raise its max_connections, or put a pooler in front of it",
    "starting": "wait until it is up; `hms check` tells",
    "slow": "see what it is busy with; `hms check` tells how all parts stand",
    "broken-disk": "see to its disk before anything else",
}


def of(kind: str, setting: str) -> str:
    """Advice for a server whose URL is in `setting`; '' if there is none."""
    return _OF_REFUSAL.get(kind, "").format(setting=setting)
