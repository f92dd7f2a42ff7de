"""Whatever the provider does wrong: a handset shows each page once, or twice with the second one labelled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.provider import faults
from tests.provider.driver import Provider
from tests.provider.faults import Fault
from tests.provider.storm import LABEL, Run, Storm, storm
from tests.provider.weather import LOST, NOT_SENT, NOTHING, Make, Weather, weather

#: Of the 500 seeds, those that are run here; `python -m tests.provider.storm` runs them all.
SEEDS = 60
CLEAR = Fault(times=None)


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    """One provider for all tests of this module."""
    with Provider.start(tmp_path_factory.mktemp("provider")) as running:
        yield running


@pytest.fixture
def sea(database: str, provider: Provider) -> Iterator[Storm]:
    """A ledger and a pager, ready for any weather."""
    with storm(database, provider) as made:
        yield made


def test_seeded_faults(sea: Storm) -> None:
    """No text is lost; there are two only where an answer was lost and the list gone, the second labelled."""
    runs = [sea.run(seed) for seed in range(SEEDS)]
    assert {run.seed: run.fault for run in runs if run.fault} == {}
    assert {len(run.shown) for run in runs} == {1, 2}


def test_the_seeds_leave_nothing_out() -> None:
    """Over the 500 seeds every kind of fault strikes, with the list in every condition."""
    met = [weather(seed) for seed in range(500)]
    struck = {(fault.answer, fault.status, fault.code, fault.accepted) for sky in met for fault in sky.faults}
    for make in (*NOT_SENT, *LOST, *NOTHING):
        fault = make()
        assert (fault.answer, fault.status, fault.code, fault.accepted) in struck
    assert {(sky.lost, sky.blind) for sky in met} == {(a, b) for a in (True, False) for b in (True, False)}
    assert {fault.when for sky in met for fault in sky.faults} == {"after", "early", "held", "never"}


@pytest.mark.parametrize(
    ("shown", "most", "fault"),
    [
        ((), 1, "no text"),
        (("a", "a"), 1, "2 texts, at most 1 may be"),
        (("a", "a"), 2, "the second text does not say that it is one"),
        (("a", "a" + LABEL, "a" + LABEL), 2, "3 texts, at most 2 may be"),
        (("b",), 1, "a text that nobody wrote"),
        (("a", "a" + LABEL), 2, None),
        (("a" + LABEL,), 1, None),
    ],
)
def test_what_is_held_against_a_run(shown: tuple[str, ...], most: int, fault: str | None) -> None:
    """The judge of a run sees each kind of broken promise."""
    assert Run(1, "a", shown, "delivered", 1, most).fault == fault
    assert Run(1, "a", ("a",), "failed", 1, 1).fault == "arrived, but the ledger has it failed"


@pytest.mark.parametrize("make", LOST)
def test_the_list_tells(sea: Storm, make: Make) -> None:
    """An answer that was lost is found in the list: no second text."""
    run = sea.brave(1, Weather(0, (replace(make(), when="never"), CLEAR), True, False))
    assert run.shown == (run.body,)
    assert run.posts == 1


@pytest.mark.parametrize("make", LOST)
def test_a_callback_tells(sea: Storm, make: Make) -> None:
    """With the list gone for good, a callback alone says whose text it was: no second one."""
    run = sea.brave(2, Weather(0, (faults.list_down(), make(), CLEAR), True, True))
    assert run.shown == (run.body,)
    assert run.posts == 1


def test_nobody_tells(sea: Storm) -> None:
    """With neither list nor callback there is one second text, which says that it may be one."""
    silent = Fault(accepted=True, answer="dropped", when="never")
    run = sea.brave(3, Weather(0, (faults.list_down(), silent, CLEAR), True, True))
    assert run.shown == (run.body, run.body + LABEL)


def test_an_outage(sea: Storm) -> None:
    """A provider that answers only by 503 for minutes loses no page: it goes when the provider is back."""
    out = (faults.list_down(times=40), faults.unavailable(times=8))
    run = sea.brave(4, Weather(0, (*out, CLEAR), True, True))
    assert run.fault is None
