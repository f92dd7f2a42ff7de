"""Wording of what keeps dead rows from being removed, and of what ends it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Facts = Mapping[str, Any]


def holder(facts: Facts) -> str:
    """What holds the horizon, as the subject of a sentence."""
    name, program, owner = facts["name"], facts["program"], facts["owner"]
    match facts["kind"]:
        case "transaction":
            return f"a transaction of {program} (pid {name}{f', {owner}' if owner else ''})"
        case "replication slot":
            return f"the {program} replication slot {name}"
        case kind:
            return f"the {kind} {name}"


def what_helps(facts: Facts) -> str:
    """How to end it, as a sentence."""
    name = facts["name"]
    match facts["kind"]:
        case "transaction":
            how = f"end it in its program, or with: select pg_terminate_backend({name})"
        case "prepared transaction":
            how = f"end it: commit prepared {_quoted(name)}, or rollback prepared {_quoted(name)}"
        case "replication slot" if facts["program"] == "inactive":
            how = f"bring its standby back, or drop it: select pg_drop_replication_slot({_quoted(name)})"
        case _:
            how = "end the long query on the standby, or set hot_standby_feedback = off there"
    return f"Until it ends no dead row is removed, and the ledger grows and becomes slower: {how}."


def _quoted(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"
