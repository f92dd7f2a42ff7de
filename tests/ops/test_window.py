"""Sliding windows against exact arithmetic, and waits read from event logs line by line."""

from __future__ import annotations

import math
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given

from hms_oms.recipes.recipes import Recipe
from hms_ops.stats import waits
from hms_ops.stats.sliding_window import (
    BUCKET_SECONDS,
    ERROR,
    LEAST,
    MOST,
    WINDOW_SECONDS,
    Sketch,
    Window,
    index,
)
from hms_ops.stats.waits import Begun, Ended, Line
from tests.conftest import shop_recipes

SECONDS = st.floats(0, 1e7)
SHARES = st.sampled_from([0.0, 0.01, 0.5, 0.95, 0.99, 1.0])


def sketch(values: list[float]) -> Sketch:
    """The values, counted."""
    made = Sketch()
    for value in values:
        made.add(value)
    return made


def exact(values: list[float], share: float) -> float:
    """The percentile by sorting all values."""
    return sorted(values)[max(1, math.ceil(share * len(values))) - 1]


@given(st.lists(SECONDS, min_size=1), SHARES)
def test_a_percentile_is_within_one_percent(values: list[float], share: float) -> None:
    """Each percentile is as near to the one found by sorting as is promised; the mean is exact."""
    counted = sketch(values)
    assert counted.percentile(share) == pytest.approx(
        max(exact(values, share), LEAST), rel=ERROR * 1.001, abs=1e-9
    )
    assert counted.mean == pytest.approx(sum(values) / len(values), abs=1e-6)
    assert counted.count == len(values)


@given(st.lists(SECONDS), st.lists(SECONDS))
def test_what_was_merged_can_be_parted_again(some: list[float], others: list[float]) -> None:
    """Merging counts both, and parting leaves exactly what was there before."""
    both, alone = sketch(some), sketch(some)
    both.merge(sketch(others))
    assert (both.count, both.buckets) == (len(some + others), sketch(some + others).buckets)
    both.part(sketch(others))
    assert (both.count, both.mean, both.buckets) == (alone.count, alone.mean, alone.buckets)


@given(st.lists(st.tuples(st.floats(0, 2000), SECONDS)), st.floats(0, 2000))
def test_a_window_holds_what_is_recent(values: list[tuple[float, float]], now: float) -> None:
    """In whatever order values come, what is left is what is younger than five minutes, to a bucket."""
    window = Window()
    for at, value in values:
        window.add(at, value)
    window.slide(now)
    oldest = (now - WINDOW_SECONDS) // BUCKET_SECONDS * BUCKET_SECONDS
    kept = sketch([value for at, value in values if at // BUCKET_SECONDS * BUCKET_SECONDS >= oldest])
    total = window.total
    assert (total.count, total.mean, total.buckets) == (kept.count, kept.mean, kept.buckets)


def test_there_is_no_percentile_of_nothing() -> None:
    """An empty sketch has neither a mean nor percentiles: no data is not zero."""
    assert (Sketch().mean, Sketch().percentile(0.5)) == (None, None)


def test_buckets_are_few_however_wild_the_values() -> None:
    """Values beyond all reason fall into the outermost buckets."""
    assert index(MOST) - index(LEAST) < 1400
    assert index(1e300) == index(MOST)
    assert index(0.0) == index(-5.0) == index(LEAST)


def life(*facts: str | tuple[str, dict[str, Any]], steps: tuple[int, ...] = ()) -> list[Line]:
    """An event log with a line every ten seconds; a fact may come with its detail, `steps` are the steps."""
    status = {
        "claimed": "running",
        "reserved": "running",
        "signalled": "running",
        "advanced": "queued",
        "finished": "done",
        "failed": "failed",
        "poisoned": "failed",
        "cancelled": "cancelled",
    }
    made = []
    for place, entry in enumerate(facts):
        fact, detail = (entry, None) if isinstance(entry, str) else entry
        step = steps[place] if steps else 0
        made.append(Line(place + 1, 10.0 * place, fact, status.get(fact, "waiting"), step, detail))
    return made


def begun(lines: list[Line], recipe: Recipe, planned: float = 0.0) -> list[float | None]:
    """How long each step of an event log waited."""
    return [step.waited for step in waits.read(lines, recipe, planned) if isinstance(step, Begun)]


def ended(lines: list[Line], recipe: Recipe) -> list[tuple[str, float, bool, bool]]:
    """How each step of an event log ended: its name, how long it took, whether it failed and the job left."""
    return [
        (step.step, step.took, step.failed, step.left)
        for step in waits.read(lines, recipe, 0.0)
        if isinstance(step, Ended)
    ]


@pytest.fixture(scope="module")
def shop_recipe() -> Recipe:
    """The recipe of three steps by workers, in one queue."""
    return shop_recipes()["shop:order:v1"]


@pytest.mark.parametrize(
    ("lines", "waited"),
    [
        (life("accepted", "claimed"), [10]),
        (life("accepted", "reprioritized", "promoted", "claimed"), [30]),
        (life("accepted", "recalled", "claimed"), [20]),
        (life("accepted", "lost", "claimed"), [20]),
        (life("accepted", "held", "promoted", "answered", "claimed"), [10]),
        (life("accepted", "claimed", "lost", "claimed"), [10, 10]),
        (life("accepted", "claimed", ("retrying", {"retryAfter": 4.0}), "claimed"), [10, 6]),
        (life("accepted", ("delayed", {"readyAt": 25.0}), "claimed", "claimed"), [0, None]),
        (life("accepted", ("delayed", {"readyAt": 99.0}), ("delayed", {}), "claimed"), [30]),
        (life("accepted", "claimed", "advanced", "claimed", steps=(0, 0, 1, 1)), [10, None]),
        (life("accepted", "claimed", "advanced", "recalled", "claimed", steps=(0, 0, 1, 1, 1)), [10, 10]),
        (life("accepted", "claimed", "handed over", "reserved", steps=(0, 0, 1, 1)), [10, 10]),
        (life("accepted", "claimed", "failed", "revived", "claimed"), [10, 10]),
        (life("accepted", "claimed", ("sleeping", {"readyAt": 35.0}), "claimed"), [10, 0]),
        (life("accepted", "claimed", "awaiting", "signalled", "handed over", "claimed"), [10, 10]),
    ],
    ids=lambda value: "-".join(line.fact for line in value) if isinstance(value[0], Line) else "",
)
def test_a_wait_is_from_the_backlog_to_the_claim(
    shop_recipe: Recipe, lines: list[Line], waited: list[float | None]
) -> None:
    """A wait begins when the job could begin; what is done to the order does not begin it again."""
    assert begun(lines, shop_recipe) == waited


def test_a_planned_start_is_no_wait(shop_recipe: Recipe) -> None:
    """A job that was to start later has waited from that moment on."""
    assert begun(life("accepted", "claimed"), shop_recipe, planned=7.0) == [3]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (life("accepted", "claimed", "advanced", "claimed", "advanced", "claimed", "finished",
              steps=(0, 0, 1, 1, 2, 2, 2)),
         [("pick", 10, False, False), ("pack", 10, False, False), ("send", 10, False, True)]),
        (life("accepted", "claimed", ("retrying", {"error": "ValueError"})), [("pick", 10, True, False)]),
        (life("accepted", "claimed", ("retrying", {"error": "Retry"})), []),
        (life("accepted", "claimed", "failed"), [("pick", 10, True, True)]),
        (life("accepted", "claimed", "poisoned"), [("pick", 10, True, True)]),
        (life("accepted", "claimed", "lost"), [("pick", 10, True, False)]),
        (life("accepted", "lost", "claimed"), []),
        (life("accepted", "cancelled"), []),
        (life("accepted", "claimed", ("cancelled", {"found": "running"})), []),
        (life("accepted", "claimed", ("cancelled", {"completed": "pick"}), steps=(0, 0, 1)),
         [("pick", 10, False, True)]),
    ],
    ids=lambda value: "-".join(line.fact for line in value) if value and isinstance(value[0], Line) else "",
)  # fmt: skip
def test_every_end_is_told_for_what_it_is(
    shop_recipe: Recipe, lines: list[Line], expected: list[tuple[str, float, bool, bool]]
) -> None:
    """Finished, failed and lost steps are told apart, and whether the job is done with the queue."""
    assert ended(lines, shop_recipe) == expected


def test_one_line_may_end_a_step_and_begin_the_next(shop_recipe: Recipe) -> None:
    """A worker that goes on is told in one line: the next step has not waited, the job stays in its queue."""
    lines = life("accepted", "claimed", "advanced", "advanced", "finished", steps=(0, 0, 1, 2, 2))
    lines = [line._replace(status="running") if line.fact == "advanced" else line for line in lines]
    assert begun(lines, shop_recipe) == [10, None, None]
    assert ended(lines, shop_recipe) == [
        ("pick", 10, False, False),
        ("pack", 10, False, False),
        ("send", 10, False, True),
    ]


def test_a_step_counts_in_the_queue_it_was_in() -> None:
    """A move changes the queue of the step that waits; the next step's queue is the recipe's."""
    recipe = shop_recipes()["shop:return:v1"]
    lines = life(
        "accepted", ("moved", {"queue": "other"}), "claimed", "handed over", "reserved", "handed over",
        steps=(0, 0, 0, 1, 1, 2),
    )  # fmt: skip
    output = [(type(step).__name__, step.queue) for step in waits.read(lines, recipe, 0.0)]
    assert output == [
        ("Begun", "other"),
        ("Ended", "other"),
        ("Begun", "returns-desk"),
        ("Ended", "returns-desk"),
    ]
