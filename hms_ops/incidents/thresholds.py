"""Thresholds: what each rule compares with, changed at run time; the writer of ops.thresholds.

The queue's own value is in force, else the floor's, else the rule's default. Every rule has its own
parameters and those in `COMMON`. A change holds from the next look on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial

from sqlalchemy import Connection, text

from hms_oms.jobs.commands import require_queue
from hms_oms.runtime.errors import HmsError
from hms_ops.documents.calling import Threshold
from hms_ops.rules import RULES, Limits

#: How an incident of any rule opens, ends and comes back, unless the rule knows better.
COMMON: Mapping[str, float] = {
    # It opens when the rule has held this long ...
    "for_seconds": 0,
    # ... and is resolved when the rule has been clear this long.
    "clear_seconds": 60,
    # Within this time after its end it is reopened, and steady is what has not changed for so long.
    "reopen_seconds": 900,
    # An acknowledgement holds this long while the rule does.
    "ack_minutes": 30,
    # With this many openings and endings within that time it flaps.
    "flap_changes": 5,
    "flap_seconds": 3600,
}


class UnknownRule(HmsError):
    """No rule has this name."""

    def __init__(self, rule: str) -> None:
        self.rule = rule
        super().__init__(f"there is no rule {rule!r}; known are {', '.join(_parameters())}")


class UnknownParameter(HmsError):
    """The rule does not have this parameter."""

    def __init__(self, rule: str, parameter: str) -> None:
        self.rule = rule
        self.parameter = parameter
        known = ", ".join(_parameters()[rule])
        super().__init__(f"rule {rule!r} has no parameter {parameter!r}; it has {known}")


class BadThreshold(HmsError):
    """A value that no threshold can have."""


class Thresholds:
    """Every threshold as it stood at one moment."""

    def __init__(self, own: Mapping[tuple[str, str, str | None], float]) -> None:
        self._own = own

    def of(self, rule: str) -> Limits:
        """The limits that a rule is judged by."""
        return partial(self.value, rule)

    def value(self, rule: str, parameter: str, queue: str | None) -> float:
        """One threshold; KeyError where the rule has no such parameter."""
        for scope in (queue, None):
            if (rule, parameter, scope) in self._own:
                return self._own[rule, parameter, scope]
        return _parameters()[rule][parameter]

    def largest(self, parameter: str) -> float:
        """The largest value that a common parameter has for any rule and queue."""
        own = [value for (_, name, _), value in self._own.items() if name == parameter]
        return max([*own, *(parameters[parameter] for parameters in _parameters().values())])


def limits(connection: Connection) -> Thresholds:
    """The thresholds in force."""
    rows = connection.execute(text(_IN_FORCE)).mappings()
    return Thresholds({(row["rule"], row["parameter"], row["queue"]): row["value"] for row in rows})


def set_threshold(
    connection: Connection,
    rule: str,
    parameter: str,
    value: float | None,
    queue: str | None,
    set_by: str,
    reason: str | None,
) -> Threshold:
    """Set a parameter for one queue, or for all with None; the value None goes back to the default.

    Raises UnknownRule, UnknownParameter, UnknownQueue, or BadThreshold for a value that is not a number from
    zero up.
    """
    require_rule(rule)
    if parameter not in _parameters()[rule]:
        raise UnknownParameter(rule, parameter)
    if value is not None and not (math.isfinite(value) and value >= 0):
        raise BadThreshold(f"{rule} {parameter}: must be a number from 0 up, not {value!r}")
    if queue is not None:
        require_queue(connection, queue)
    row = connection.execute(
        text(
            "insert into ops.thresholds (rule, parameter, queue, value, set_by, reason)"
            " values (:rule, :parameter, :queue, :value, :set_by, :reason) returning set_at"
        ),
        {
            "rule": rule,
            "parameter": parameter,
            "queue": queue,
            "value": value,
            "set_by": set_by,
            "reason": reason,
        },
    ).one()
    in_force = limits(connection).value(rule, parameter, queue)
    return Threshold(
        rule, parameter, queue, in_force, _parameters()[rule][parameter], set_by, reason, row.set_at
    )


def overview(connection: Connection) -> list[Threshold]:
    """Every parameter of every rule, each followed by the queues that have a value of their own."""
    by_rule: dict[tuple[str, str], list[Threshold]] = {}
    for row in connection.execute(text(_IN_FORCE)).mappings():
        default = _parameters().get(row["rule"], {}).get(row["parameter"])
        if default is not None:
            threshold = Threshold(**row, default=default)
            by_rule.setdefault((threshold.rule, threshold.parameter), []).append(threshold)
    return [
        threshold
        for rule, parameters in _parameters().items()
        for parameter, default in parameters.items()
        for threshold in _with_floor(rule, parameter, default, by_rule.get((rule, parameter), []))
    ]


def require_rule(rule: str) -> None:
    """Raise UnknownRule unless a rule has this name."""
    if rule not in _parameters():
        raise UnknownRule(rule)


def _with_floor(rule: str, parameter: str, default: float, own: list[Threshold]) -> list[Threshold]:
    if own and own[0].queue is None:
        return own
    return [Threshold(rule, parameter, None, default, default), *own]


def _parameters() -> Mapping[str, Mapping[str, float]]:
    return {rule.name: {**COMMON, **rule.defaults} for rule in RULES}


# A row without a value takes back what stood before it.
_IN_FORCE = """
select rule, parameter, queue, value, set_by, reason, set_at
from (
    select distinct on (rule, parameter, queue) *
    from ops.thresholds
    order by rule, parameter, queue, id desc
) as newest
where value is not null
order by rule, parameter, queue nulls first
"""
