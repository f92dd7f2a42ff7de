"""The on-call document: what it may say, who has which shift, and who is on which step."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from hms_ops.oncall import oncall

EXAMPLE = Path(__file__).parents[2] / "docs" / "on-call.toml"
#: Monday, 2 March 2026, in Chicago six hours behind UTC.
MONDAY = datetime(2026, 3, 2, 6, tzinfo=UTC)


@pytest.fixture
def document() -> dict[str, Any]:
    """The example of the documents."""
    return deepcopy(dict(oncall.parse(EXAMPLE.read_text())))


def names(document: oncall.Document, now: datetime) -> list[list[str]]:
    """Who is on which step."""
    return [[recipient.name for recipient in step.recipients] for step in oncall.on_call(document, now)]


def test_phones_are_kept_in_one_form(document: dict[str, Any]) -> None:
    """However a phone is written, it is kept, and texted, in E.164."""
    assert document["recipients"]["ada"] == "+12025550143"
    first = oncall.on_call(document, MONDAY + timedelta(hours=12))[0]
    assert first.recipients == (oncall.Recipient("ada", "+12025550143"),)
    assert oncall.validated(document) == document


@pytest.mark.parametrize(
    ("hours", "who"),
    [
        (6.9, ["linus"]),  # Monday 06:54: Sunday's shift ends at seven
        (7, ["ada"]),
        (18.99, ["ada"]),
        (19, ["grace"]),
        (24 + 6.99, ["grace"]),  # Tuesday before seven: Monday's night
        (24 + 7, ["ada"]),
        (5 * 24 + 6.99, ["grace"]),  # Saturday before seven: Friday's night
        (5 * 24 + 7, ["linus"]),
        (6 * 24 + 12, ["linus"]),
    ],
)
def test_shifts_go_by_the_clock_on_the_wall(document: dict[str, Any], hours: float, who: list[str]) -> None:
    """Nights belong to the day on which they begin; a shift ends when the next one begins."""
    assert names(document, MONDAY + timedelta(hours=hours))[0] == who


def test_shifts_move_with_summer_time(document: dict[str, Any]) -> None:
    """Seven in the morning is an hour earlier in UTC once the clocks have gone forward."""
    before = datetime(2026, 3, 6, 12, 30, tzinfo=UTC)
    after = datetime(2026, 3, 9, 12, 30, tzinfo=UTC)
    assert [names(document, now)[0] for now in (before, after)] == [["grace"], ["ada"]]


def test_nobody_is_twice_on_a_step(document: dict[str, Any]) -> None:
    """A person is texted once, by name and by shift, under two names with one phone, or in two shifts."""
    document["recipients"]["lovelace"] = document["recipients"]["ada"]
    document["steps"][1]["notify"] = ["lovelace", "shift:day", "ada", "grace"]
    assert names(document, MONDAY + timedelta(hours=8))[1] == ["lovelace", "grace"]


def test_a_shift_that_nobody_has_is_an_empty_step(document: dict[str, Any]) -> None:
    """The escalation policy then goes on with the next step."""
    document["shifts"] = [shift for shift in document["shifts"] if shift["name"] != "weekend"]
    document["steps"][0]["notify"] = ["shift:day"]
    assert names(document, MONDAY) == [[], ["ada", "grace", "linus"]]


def _set(*path: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(document: Any) -> None:
        for part in path[:-1]:
            document = document[part]
        document[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "field", "reason"),
    [
        (_set("timezone", value="Chicago"), "timezone", "'Chicago' is not a time zone"),
        (_set("timezone", value="../etc/passwd"), "timezone", "is not a time zone"),
        (_set("recipients", "ada", value="555 0143"), "recipients.ada", "is not a phone number"),
        (_set("recipients", "ada", value="+1 555 000 1111"), "recipients.ada", "is not a phone number"),
        (_set("recipients", "shift:day", value="+12025550143"), "recipients.shift:day", "may not begin with"),
        (_set("recipients", value={}), "recipients", "non-empty"),
        (
            _set("shifts", 0, "recipient", value="bob"),
            "shifts.0.recipient",
            "no 'bob'; known are ada",
        ),
        (_set("shifts", 1, "from", value="25:00"), "shifts.1.from", "'25:00' does not match"),
        (_set("shifts", 1, "days", value=["monday"]), "shifts.1.days.0", "'monday' is not one of"),
        (_set("shifts", 0, "colour", value="red"), "shifts.0", "'colour' was unexpected"),
        (_set("steps", 0, "notify", value=["shift:noon"]), "steps.0.notify", "there is no 'shift:noon'"),
        (_set("steps", 1, "after_minutes", value=0), "steps.1.after_minutes", "later than the one before"),
        (_set("steps", 0, "after_minutes", value=-1), "steps.0.after_minutes", "less than the minimum"),
        (_set("steps", value=[]), "steps", "non-empty"),
        (_set("pager", value="yes"), "document", "'pager' was unexpected"),
    ],
)
def test_what_is_wrong_is_said_precisely(
    document: dict[str, Any], change: Callable[[dict[str, Any]], None], field: str, reason: str
) -> None:
    """Which field, and why."""
    change(document)
    with pytest.raises(oncall.DocumentRejected) as caught:
        oncall.validated(document)
    [(result, why)] = caught.value.faults
    assert result == field
    assert reason in why


def test_all_faults_are_told_at_once(document: dict[str, Any]) -> None:
    """Nobody has to send a document three times to hear of three faults."""
    document["timezone"] = "Mars"
    document["recipients"]["ada"] = "tomorrow"
    document["steps"][0]["notify"] = ["bob"]
    with pytest.raises(oncall.DocumentRejected) as caught:
        oncall.validated(document)
    assert [field for field, _ in caught.value.faults] == ["recipients.ada", "steps.0.notify", "timezone"]


def test_what_is_not_toml_is_said_so() -> None:
    """With the line that cannot be read."""
    with pytest.raises(oncall.DocumentRejected, match=r"is not TOML: .*line 1"):
        oncall.parse("timezone = Chicago")


def test_the_newest_document_is_in_force(engine: sa.Engine, document: dict[str, Any]) -> None:
    """Documents are appended, and never changed."""
    with engine.begin() as connection:
        assert oncall.in_force(connection) is None
        oncall.set_document(connection, oncall.DEFAULT, "boss", None)
        newest = oncall.set_document(connection, document, "boss", "new rota")
        assert oncall.in_force(connection) == newest
        assert (newest.document, newest.reason) == (document, "new rota")
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(sa.text("update ops.oncall set set_by = 'me'"))
