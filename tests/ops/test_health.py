"""The judgement of the installation's health, over facts; and whether anybody real would be reached."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from hms_oms.broker import broker_state
from hms_oms.broker.broker_state import BrokerState
from hms_oms.database.connections import RawConnection
from hms_oms.database.refusals import SILENT, Refusal
from hms_oms.messages import outbox
from hms_oms.runtime.errors import ConfigError
from hms_oms.runtime.settings import Settings
from hms_ops import health
from hms_ops.findings import Finding
from hms_ops.health import BAD, OK, UNKNOWN, WARN, Facts, Ledger, Seen
from hms_ops.heartbeats import Pulse
from hms_ops.incidents import lifecycle, thresholds
from hms_ops.oncall import doubts, escalation, oncall, unreached
from hms_ops.oncall.fictional_numbers import is_fictitious
from hms_ops.oncall.unreached import OpenIncident

NOW = datetime(2026, 11, 30, 15, 12, tzinfo=UTC)
WATCH = Pulse("ops", NOW, 0.5, False, {"failed_rules": [], "sender_is_local": False})
PAGER = Pulse("pager", NOW, 1.5, False, {"sender": "twilio", "fault": None})
LEDGER = Ledger(NOW, BrokerState(1.0), WATCH, PAGER, 2, [], None)
WELL = Facts(Seen(), Seen(), LEDGER)
OOM = Refusal("out-of-memory", "is out of memory")
OPEN = OpenIncident(1, "K7", "late", "shop", "open", False)
REAL = {
    "timezone": "America/Chicago",
    "recipients": {"ada": "+13125550443", "grace": "+12025550144"},
    "shifts": [
        {"name": "day", "days": ["mon"], "from": "07:00", "until": "19:00", "recipient": "ada"},
        {"name": "day", "days": ["tue"], "from": "07:00", "until": "19:00", "recipient": "grace"},
    ],
    "steps": [{"after_minutes": 0, "notify": ["shift:day"]}],
}


def lights(facts: Facts) -> dict[str, tuple[str, str]]:
    """The light and the words of each part."""
    return {part.name: (part.light, part.words) for part in health.judge(facts, UTC)}


def test_all_is_well_if_everything_is() -> None:
    """Every part is there, and none is to be looked at."""
    result = lights(WELL)
    assert {light for light, _ in result.values()} == {OK}
    assert list(result) == [
        *("PostgreSQL", "Redis", "dispatcher", "workers", "watch", "pager", "on call", "incidents")
    ]
    assert health.troubles(health.judge(WELL, UTC)) == []


@pytest.mark.parametrize(
    ("facts", "name", "light", "words"),
    [
        (
            replace(WELL, redis=Seen(SILENT, NOW)),
            *("Redis", BAD, "cannot hand out: Redis does not answer since 15:12"),
        ),
        (
            replace(WELL, ledger=replace(LEDGER, broker=BrokerState(1.0, NOW, OOM.kind, OOM.words))),
            *("Redis", BAD, "cannot hand out: Redis is out of memory since 15:12 (here it answers)"),
        ),
        (
            replace(WELL, ledger=replace(LEDGER, broker=BrokerState(40.0))),
            *("dispatcher", BAD, "the dispatcher has been silent for 40 s: jobs are not handed out"),
        ),
        (
            replace(WELL, ledger=replace(LEDGER, broker=None)),
            *("dispatcher", BAD, "no dispatcher has ever been heard: jobs are not handed out"),
        ),
        (
            replace(WELL, ledger=replace(LEDGER, watch=replace(WATCH, age_seconds=300.0, stale=True))),
            *("watch", BAD, "the watch has been silent for 5 min: nobody is called"),
        ),
        (
            replace(WELL, ledger=replace(LEDGER, pager=Pulse("pager", None, None, True, {}))),
            *("pager", BAD, "no pager has ever been heard: no text goes out"),
        ),
        (
            replace(WELL, ledger=replace(LEDGER, pager=replace(PAGER, detail={"fault": "HTTP 401"}))),
            *("pager", BAD, "the pager: HTTP 401"),
        ),
        (
            replace(WELL, ledger=replace(LEDGER, slots=16, slots_lost=3)),
            *("workers", WARN, "2 workers are live with 16 slots, 3 lost to hung steps"),
        ),
        (
            replace(WELL, ledger=replace(LEDGER, workers=0)),
            *("workers", WARN, "no worker is live"),
        ),
        (
            replace(WELL, ledger=replace(LEDGER, doubt="nobody real is on call: x")),
            *("on call", WARN, "nobody real is on call: x"),
        ),
        (
            replace(WELL, ledger=replace(LEDGER, incidents=[replace(OPEN, unreached=True)])),
            *("incidents", BAD, "#K7 reached nobody"),
        ),
        (
            replace(WELL, ledger=replace(LEDGER, incidents=[OPEN])),
            *("incidents", WARN, "#K7 is open and not acknowledged"),
        ),
        (replace(WELL, age=60.0), "watch", UNKNOWN, "cannot tell: the ledger does not answer"),
        (
            replace(WELL, postgresql=Seen(SILENT, NOW)),
            *("PostgreSQL", BAD, "PostgreSQL does not answer since 15:12"),
        ),
    ],
)
def test_each_silence_is_named(facts: Facts, name: str, light: str, words: str) -> None:
    """The part at fault has the light, and says for how long or since when."""
    assert lights(facts)[name] == (light, words)
    assert light != BAD or any(part.vital for part in health.judge(facts, UTC))


def test_old_facts_are_no_facts() -> None:
    """While PostgreSQL is silent nothing is said of the others, and only the cause is shown as trouble."""
    facts = replace(WELL, postgresql=Seen(SILENT, NOW), redis=Seen(OOM, NOW))
    assert [part.name for part in health.troubles(health.judge(facts, UTC))] == ["PostgreSQL", "Redis"]


@pytest.mark.parametrize(
    ("phone", "fiction"),
    [
        ("+12025550100", True),
        ("+13125550199", True),
        ("+13125550200", False),
        ("+12025551142", False),
        ("+447700900123", True),
        ("+442079460123", True),
        ("+447911123456", False),
        ("+61491570156", True),
        ("+61412345678", False),
    ],
)
def test_numbers_kept_for_fiction_are_known(phone: str, fiction: bool) -> None:
    """Of North America, the United Kingdom and Australia."""
    assert is_fictitious(phone) is fiction


@pytest.mark.parametrize(
    ("document", "at", "local", "says"),
    [
        (None, NOW, False, "nobody real is on call: no on-call document is set"),
        (REAL, NOW, False, None),
        (REAL, NOW, True, "nobody real is on call: texts stay on this machine (HMS_SENDER is log)"),
        (
            REAL,
            NOW + timedelta(days=1),
            False,
            "nobody real is on call: the numbers of grace are kept for fiction",
        ),
        (
            REAL,
            NOW + timedelta(days=4),
            False,
            "nobody is on call: no shift covers this hour; ada from Mon 07:00 CST on",
        ),
    ],
)
def test_doubts_about_who_would_be_reached(
    document: dict[str, Any] | None, at: datetime, local: bool, says: str | None
) -> None:
    """No document, fiction, a local log, an hour that no shift covers: each said, with who comes next."""
    assert doubts.doubt(document, at, sender_is_local=local) == says


def test_a_provider_does_not_start_without_anybody_real(engine: sa.Engine) -> None:
    """Unless it is told so; the log sender starts in any case."""
    provider = Settings(sender="webhook")
    with engine.begin() as connection:
        with pytest.raises(ConfigError, match="HMS_START_WITHOUT_ONCALL=yes"):
            doubts.require_anybody(connection, provider)
        doubts.require_anybody(connection, Settings())
        doubts.require_anybody(connection, replace(provider, start_without_oncall=True))
        fiction = {**REAL, "recipients": {"ada": "+12025550143", "grace": "+12025550144"}}
        oncall.set_document(connection, fiction, "test", None)
        with pytest.raises(ConfigError, match="fictitious"):
            doubts.require_anybody(connection, provider)
        oncall.set_document(connection, REAL, "test", None)
        doubts.require_anybody(connection, provider)


def test_an_incident_that_reached_nobody_is_told_and_the_next_shift_is_texted_when_it_begins(
    engine: sa.Engine, shop: object
) -> None:
    """Opened in an uncovered hour: unreached until the shift begins, and then Ada has the text."""
    document = {**REAL, "recipients": {"ada": "+13125550443", "grace": "+13125550444"}}
    with engine.begin() as connection:
        oncall.set_document(connection, document, "test", None)
        now = connection.scalar(sa.text("select oms.now()"))
        assert isinstance(now, datetime)
        # The last covered hour of the week has passed; everything below is told its time.
        shift = now.replace(second=0, microsecond=0) - timedelta(days=7)
        while oncall.on_call(document, shift)[0].recipients:
            shift += timedelta(hours=1)
        limits = thresholds.limits(connection)
        finding = Finding(
            "late", "shop", 60.0, late_jobs=1, facts={"late": 1, "late_since": shift.isoformat()}
        )
        lifecycle.observe(connection, shift, [finding], limits, judged={"late"}, looked_before=shift)
        escalation.page(connection, shift, False, UTC)
        (live,) = unreached.live(connection)
        assert live.unreached
        assert outbox.last_pages(connection, 5) == []
        covered = shift
        while not oncall.on_call(document, covered)[0].recipients:
            covered += timedelta(minutes=1)
        escalation.page(connection, covered - timedelta(seconds=1), False, UTC)
        assert outbox.last_pages(connection, 5) == []
        escalation.page(connection, covered, False, UTC)
        (text,) = outbox.last_pages(connection, 5)
        assert text.to in document["recipients"].values()
        (live,) = unreached.live(connection)
        assert not live.unreached


def test_a_refusal_keeps_its_beginning(
    engine: sa.Engine, raw: RawConnection, forward: Callable[[timedelta], None]
) -> None:
    """However often the dispatcher reports it; when Redis is back, nothing is left of it."""
    broker_state.report(raw, OOM)
    with engine.connect() as connection:
        first = broker_state.read(connection)
    forward(timedelta(seconds=30))
    broker_state.report(raw, OOM)
    with engine.connect() as connection:
        again = broker_state.read(connection)
    assert first is not None
    assert again is not None
    assert (again.refused_since, again.refusal) == (first.refused_since, OOM)
    assert again.age < 5
    broker_state.report(raw, None)
    with engine.connect() as connection:
        assert broker_state.read(connection) == BrokerState(pytest.approx(0.0, abs=5.0))
