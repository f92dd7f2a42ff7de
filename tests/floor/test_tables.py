"""What is printed on terminals of every width: no number, id or time is ever cut."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.live import Live

from hms_floor.cli.cycles import cycle_progress as watching
from hms_floor.cli.terminal import show, tables
from hms_oms.documents.cycles import CycleProgress

WIDTHS = (0, 1, 20, 40, 60, 80, 200)
HEADERS = ["id", "begun", "count", "why", "by"]

numbers = st.integers(0, 10**12).map(lambda number: f"{number:,}")
ids = st.integers(1, 10**9).map(lambda number: f"job-{number}")
moments = st.datetimes().map(lambda when: when.strftime("%m-%d_%H:%M:%S_CST"))
words = st.lists(st.text("abcdefgh", min_size=1, max_size=30) | numbers, max_size=12).map(" ".join)
table_rows = st.lists(st.tuples(ids, moments, numbers, words, st.text("xyz", max_size=20)), max_size=4)


def printed(capsys: pytest.CaptureFixture[str], *parts: object) -> str:
    """What these parts look like on standard output."""
    show.lines(*parts)  # type: ignore[arg-type]
    return capsys.readouterr().out


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(table_rows, st.sampled_from(WIDTHS))
def test_every_number_is_whole_or_its_column_is_named_as_left_out(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    rows: list[tuple[str, ...]],
    columns: int,
) -> None:
    """Ids, times and numbers stand whole in one line each; what does not fit is named below the table."""
    monkeypatch.setenv("COLUMNS", str(columns))
    made = tables.table(HEADERS, rows, right=["count"], wide=["why"], spare=["by", "begun"])
    text = printed(capsys, made)
    shown = text.replace(":", ": ").split() + text.split()

    # The note below the table may be broken at any of its words.
    left_out = " ".join(text.split()).partition("Left out for lack of width: ")[2].split(", ")
    for row in rows:
        for header, cell in zip(HEADERS, row, strict=True):
            if header not in left_out:
                for word in cell.split():
                    assert word in shown or (header in ("why", "by") and not any(map(str.isdigit, word)))


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.text("abc ", max_size=18), numbers | ids | words)), st.sampled_from(WIDTHS))
def test_facts_are_whole(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    pairs: list[tuple[str, str]],
    columns: int,
) -> None:
    """A number beside a long name is not broken into lines."""
    monkeypatch.setenv("COLUMNS", str(columns))
    shown = printed(capsys, tables.facts(pairs)).split()

    for _, value in pairs:
        assert {word for word in value.split() if any(map(str.isdigit, word))} <= set(shown)


@pytest.mark.parametrize("columns", ["", "0", "1", "-5", "many", "99999"])
def test_any_width_shows_sentences_whole(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    """No width that a terminal may tell of leaves a number cut or nothing at all."""
    monkeypatch.setenv("COLUMNS", columns)

    assert "job-123456789012345678901234567890" in printed(
        capsys, "Cancelled job-123456789012345678901234567890 of the queue."
    )


@pytest.mark.parametrize("columns", [1, 20, 40, 60, 80, 132])
def test_the_bar_of_a_cycle_breaks_no_number(columns: int) -> None:
    """Without room for a bar there is none; a line that is cut ends with a sign of it."""
    observed = CycleProgress(datetime.now(UTC), 1_234_567, 0, 10, 16, 0, 2_345_678, 12, 3, 4_567, None)
    console = Console(file=io.StringIO(), width=columns, force_terminal=True, color_system=None)
    with Live(console=console, auto_refresh=False) as live:
        watching.Bar(live).show(observed)
    assert isinstance(console.file, io.StringIO)
    counts = {"1,234,567", "10", "16", "2,345,678", "12", "4,567", "3"}
    whole = counts | {"2,345,693", "3,580,286", "65.5", "0/min"}
    for word in re.sub("\x1b\\[[0-9;?]*[a-zA-Z]", " ", console.file.getvalue()).split():
        assert word in whole or word.endswith("\u2026") or not any(map(str.isdigit, word)), word


@pytest.mark.parametrize("words", ["queue list", "check"])
def test_a_verb_that_fails_says_so_by_its_exit_code(words: str) -> None:
    """If it can say it in no other way: neither stream is open."""
    command = f"{sys.executable} -m hms_floor {words} >&- 2>&-"
    environment = {"HMS_HOME": "/nowhere"}
    assert subprocess.run(["sh", "-c", command], env=environment, timeout=60, check=False).returncode == 1


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_closed_streams_are_no_traceback(closed: str) -> None:
    """A shell may close what a program prints to; the exit code still tells."""
    command = f"{sys.executable} -m hms_floor --help {closed}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, "Traceback" in done.stderr) == (0, False)


def test_the_usual_width_keeps_a_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In 80 columns a long name of a file takes two lines, and the numbers beside it stay whole."""
    monkeypatch.setenv("COLUMNS", "80")
    row = ["3", "06:12:03 CST (2 h ago)", "farm:grant:v1", "applications-2026-11-28.csv", "12,345", "0", "17"]
    headers = ["cycle", "begun", "type", "file", "accepted", "duplicates", "refused"]
    made = tables.table([*headers, "by"], [[*row, "ann"]], wide=["file"], spare=["by", "type"])

    lines = printed(capsys, made).splitlines()
    assert lines[2].split()[5:] == ["ago)", "applications-2026-", "12,345", "0", "17"]
    assert lines[3].split() == ["11-28.csv"]
    assert lines[4] == "Left out for lack of width: type, by"
