"""The verdict as a page: it says what it stands on, and a broken promise cannot be overlooked."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.chaos import page
from tests.chaos.plan import SHARES
from tests.chaos.whole import VERDICT

HEADINGS = [
    *("The storm", "The model", "Fail-points", "Texts", "Stories and made-up requests", "What was not tried"),
]
SPREAD = {"count": 2, "p50": 1.0, "p99": 3.25, "max": 4.0}
STORM: dict[str, Any] = {
    **{key: 0 for _, key in page.ROWS},
    "accepted": 1500,
    "faults": {"workerKilled": 3, "flushed": 1},
    "recovery": {"workerKilled": SPREAD},
    "recoveryThroughOutages": {"flushed": SPREAD},
    "pageSeconds": SPREAD,
    "barsMissed": [],
    "seconds": 120.0,
    "seed": 11,
}
RESULTS: dict[str, Any] = {
    "commit": "a" * 40,
    "date": "2026-11-30",
    "asked": {"jobs": 1500, "faults": 40, "seeds": [11], "texts": 20, "fuzz": 30},
    "model": {
        "code": 0,
        "jobs": [{"steps": "worker and agent", "states": "7", "actions": "9", "result": "kept"}],
        "guards": 9,
        "unnoticed": [],
    },
    "stories": {"code": 0, "passed": 12},
    "storms": [STORM],
    "points": {
        **dict.fromkeys((key for _, key in page.POINTS), 0),
        "points": 7,
        "singles": 20,
        "singlesOf": 20,
        "pairs": 9,
        "pairsOf": 30,
        "seconds": 150.0,
        "dates": ["2026-11-30"],
        "commits": ["a" * 40],
    },
    "texts": {"runs": 20, "texts": {"1": 19, "2": 1}, "posts": 44, "seconds": 9.0, "wrong": []},
    "fuzz": {"code": 0, "cases": "1234", "faults": 0},
    "codes": [0, 0, 0, 0, 0],
}


@pytest.mark.parametrize("text", [page.written(RESULTS), VERDICT.read_text()], ids=["made up", "kept"])
def test_a_verdict_says_what_it_stands_on(text: str) -> None:
    """Commit, date, seeds, a result, a table of each storm, and what was not tried."""
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings in (HEADINGS, [heading for heading in HEADINGS if heading != "Fail-points"])
    assert re.search(r"^\* Commit: `[0-9a-f]{40}", text, re.MULTILINE)
    assert re.search(r"^\* Date: 20\d\d-\d\d-\d\d$", text, re.MULTILINE)
    seeds = re.search(r"^\* Seeds: (.+)$", text, re.MULTILINE)
    assert seeds
    assert all(f"seed {seed}" in text for seed in seeds[1].split(", "))
    assert re.search(r"^\* Result: (every promise was kept|\*\*a promise was broken)", text, re.MULTILINE)
    for name, _ in page.ROWS:
        assert re.search(rf"^\| {re.escape(name)} (\| [\d,]+ )+\|$", text, re.MULTILINE)
    assert len(text.partition("## What was not tried")[2].strip().splitlines()) >= len(page.NEVER)


def test_what_a_run_did_not_try_is_told() -> None:
    """A smaller size than is asked of a release, and kinds of faults that did not strike."""
    untried = page.written(RESULTS).partition("## What was not tried")[2]
    assert "20,000 requests, 200 faults, 3 seeds: this was 1,500 requests, 40 faults, 1 seeds" in untried
    assert "flushed" not in untried
    assert all(kind in untried for kind in SHARES if kind not in STORM["faults"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"codes": [0, 1]}, "**a promise was broken**"),
        ({"codes": [0, 2]}, "**and a recovery took too long**"),
        ({"codes": [-9], "storms": [None]}, "**1 storms came to no end.**"),
        ({"codes": [1], "texts": None}, "**It came to no end.**"),
        ({"points": {**RESULTS["points"], "lost": 1}}, "**lost: 1**"),
        ({"points": None}, "* Fail-points: see `make failpoints`."),
    ],
)
def test_what_went_wrong_stands_in_bold(changes: dict[str, Any], words: str) -> None:
    """A run that broke something, was slow, or died says so."""
    assert words in page.written({**RESULTS, **changes})
