"""The files of a schedule: each is taken once, by its content, and waited for if it has not come."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from hms_act import cycle
from hms_act.schedules import fetching, folder, spool
from hms_act.schedules.fetching import NotFetched
from hms_act.schedules.folder import Folder, NoFolder
from hms_oms.cycles import cycles
from hms_oms.recipes.schedules import written
from hms_oms.schedules import runs, store
from hms_oms.schedules.records import NotWaiting
from tests.schedules.conftest import Office


def cycle_counts(office: Office) -> list[tuple[str, int, str]]:
    """The file, the new jobs and the requester of each cycle, oldest first."""
    with office.engine.connect() as connection:
        batches = cycles.find(connection, None)[::-1]
    return [(batch.name, batch.accepted, batch.requested_by) for batch in batches]


def test_the_daily_file_becomes_a_cycle(office: Office) -> None:
    """At 06:00 the file that has come is taken, with every row; the run names the cycle."""
    office.add(source="grants/*.csv")
    office.file("grants/day-1.csv", 1, 2, 3)
    office.file("grants/notes.txt", 9)
    office.turn()
    assert cycle_counts(office) == []
    office.until(6)
    office.turn()
    office.turn()
    assert cycle_counts(office) == [("day-1.csv", 3, "schedule daily")]
    [run] = office.runs()
    assert (run.state, run.batches, run.note) == ("started", (1,), None)


def test_a_file_is_taken_once_by_its_content(office: Office) -> None:
    """Left in the folder, under another name, or by another dispatcher: it makes no second cycle."""
    office.add(source="day*")
    office.file("day-1.csv", 1)
    office.until(6)
    office.turn()
    office.turn()
    office.file("day-1-again.csv", 1)
    office.until(6)
    office.scheduler = office.another()
    office.turn()
    office.turn()
    assert len(cycle_counts(office)) == 1
    assert office.states() == ["started", "waiting"]
    assert office.runs()[-1].note == f"no new file day* in {office.incoming}"
    office.file("day-1.csv", 2)
    office.turn()
    office.turn()
    assert len(cycle_counts(office)) == 2
    assert office.states() == ["started", "started"]


def test_every_new_file_is_taken_by_one_run(office: Office) -> None:
    """After days without a dispatcher the files of all days are taken, each as a cycle of its own."""
    office.add(source="in")
    for day in (1, 2, 3):
        office.file(f"in/day-{day}.csv", day)
    office.until(6, days=2)
    office.turn()
    office.turn()
    assert [name for name, _, _ in cycle_counts(office)] == ["day-1.csv", "day-2.csv", "day-3.csv"]
    assert office.states() == ["missed", "missed", "started"]
    assert office.runs()[-1].batches == (1, 2, 3)


def test_a_missing_file_is_waited_for_until_the_next_run(office: Office) -> None:
    """It is expected from the first run on that it was missing at; when it comes, it is taken at once."""
    office.add(source="in")
    due = office.until(6)
    office.turn()
    [run] = office.runs()
    assert run.expected_by == due + timedelta(minutes=15)
    assert "cannot be read: No such file or directory" in (run.note or "")
    office.until(6)
    office.turn()
    assert office.states() == ["missed", "waiting"]
    assert office.runs()[-1].expected_by == due + timedelta(minutes=15)
    office.file("in/late.csv", 1)
    office.turn()
    office.turn()
    assert office.states() == ["missed", "started"]


def test_people_may_skip_a_file_that_does_not_come(office: Office, engine: sa.Engine) -> None:
    """The run ends with who and why; then there is nothing more to skip."""
    office.add(source="in")
    office.until(6)
    office.turn()
    with engine.begin() as connection:
        schedule = store.get(connection, "daily")
        skipped = runs.skip(connection, schedule, who="m", reason="county holiday")
        assert (skipped.state, skipped.note) == ("skipped", "skipped by m: county holiday")
    with engine.begin() as connection, pytest.raises(NotWaiting):
        runs.skip(connection, schedule, who="m", reason=None)


def test_a_run_that_is_asked_for_ends_without_a_file(office: Office, engine: sa.Engine) -> None:
    """Nobody is called for it: it says that there is nothing new."""
    office.add(source="in")
    office.file("in/day.csv", 1)
    for _ in range(2):
        with engine.begin() as connection:
            runs.request(connection, store.get(connection, "daily"), "m")
        office.turn()
        office.turn()
        office.forward(timedelta(seconds=1))
    assert [(run.state, run.expected_by) for run in office.runs()] == [("started", None), ("skipped", None)]
    assert office.runs()[-1].note == f"no new file in in {office.incoming}"


def test_a_file_that_is_refused_is_told_and_a_corrected_one_taken(office: Office) -> None:
    """The run goes on to wait, and says why; the corrected file is taken when it comes."""
    office.add(source="in")
    (office.incoming / "in").mkdir()
    (office.incoming / "in/day.csv").write_text("Ann Lee\n1\n")
    office.until(6)
    office.turn()
    office.turn()
    [run] = office.runs()
    assert run.state == "waiting"
    assert "day.csv is refused: the column number is missing" in (run.note or "")
    assert "Ann Lee" not in (run.note or "")
    office.file("in/day.csv", 1, 2)
    office.turn()
    office.turn()
    [run] = office.runs()
    assert run.state == "started"
    assert "day.csv is refused" in (run.note or "")
    assert cycle_counts(office) == [("day.csv", 2, "schedule daily")]


def test_a_crash_within_a_file_leaves_nothing_of_it(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither cycle nor jobs nor the note that it was taken; the next leader takes it whole."""
    office.add(source="in")
    office.file("in/day.csv", *range(1, 50))
    office.until(6)
    office.turn()
    real = cycle.accept_whole

    def killed(*given: object, **named: object) -> object:
        real(*given, **named)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(cycle, "accept_whole", killed)
    with pytest.raises(KeyboardInterrupt):
        office.turn()
    monkeypatch.undo()
    monkeypatch.setattr(folder, "SETTLED_SECONDS", 0.0)
    assert (office.jobs(), cycle_counts(office)) == ([], [])
    office.scheduler = office.another()
    office.turn()
    office.turn()
    assert [accepted for _, accepted, _ in cycle_counts(office)] == [49]


def test_a_file_that_is_still_written_is_left_alone(tmp_path: Path) -> None:
    """It is taken once it has stayed as it is for some seconds; hidden, empty and linked ones never."""
    now = 0.0
    looked = Folder(tmp_path, clock=lambda: now)
    file = tmp_path / "day.csv"
    file.write_text("a")
    (tmp_path / ".day.csv.part").write_text("a")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "link.csv").symlink_to("/etc/passwd")
    assert looked.look("s", "*.csv") == ([], 1)
    now = 3.0
    file.write_text("ab")
    assert looked.look("s", "*.csv") == ([], 1)
    now = 7.0
    assert looked.look("s", "*.csv") == ([], 1)
    now = 8.0
    assert looked.look("s", "*.csv") == ([file], 0)
    looked.done("s", file)
    assert looked.look("s", "*.csv") == ([], 0)
    assert looked.look("t", "*.csv") == ([file], 0)


def test_no_folder_outside_the_one_of_incoming_files_is_read(tmp_path: Path) -> None:
    """Neither by its name nor by a link."""
    root = tmp_path / "incoming"
    root.mkdir()
    (root / "out").symlink_to(tmp_path)
    for source in ("out", "out/*.csv", "../x"):
        with pytest.raises(NoFolder, match="leads out of"):
            Folder(root).look("s", source)
    for source in ("/etc", "~/x", "a/../../b", ""):
        assert list(written.source_faults(source, [1])), source
    assert list(written.source_faults("in/day.csv", [])) != []
    assert list(written.source_faults("in/day.ndjson", [])) == []


class Site(http.server.BaseHTTPRequestHandler):
    """A server of files and of faults."""

    def do_GET(self) -> None:
        """Answer by the path."""
        body = b"number\n1\n"
        match self.path.partition("?")[0]:
            case "/day.csv":
                self._answer(200, body)
            case "/here":
                self._answer(302, location="/day.csv")
            case "/there":
                self._answer(302, location="https://evil.example/day.csv")
            case "/round":
                self._answer(302, location="/round")
            case "/large":
                self._answer(200, b"x" * 4000)
            case "/broken":
                self._answer(500)
            case _:
                self._answer(404)

    def _answer(self, status: int, body: bytes = b"", location: str = "") -> None:
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *values: object) -> None:
        """Say nothing."""


@contextmanager
def site() -> Iterator[str]:
    """The address of a running site."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_files_are_fetched_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """From hosts that are named only, never from another one, none that is too large or comes too slowly."""
    monkeypatch.setattr(spool, "MOST_BYTES", 1000)
    with site() as address, httpx.Client(timeout=2.0) as client:
        late = time.monotonic() + 60

        def fetched(path: str, hosts: tuple[str, ...] = ("127.0.0.1",), until: float = late) -> str:
            with fetching.fetch(address + path, hosts, client, until).stream as stream:
                return stream.read().decode()

        def refused(path: str, **more: object) -> str:
            with pytest.raises(NotFetched) as error:
                fetched(path, **more)  # type: ignore[arg-type]
            return str(error.value)

        assert fetched("/day.csv?key=secret") == fetched("/here") == "number\n1\n"
        assert "HMS_INCOMING_HOSTS does not name it" in refused("/day.csv", hosts=("other",))
        assert "leads to another host, evil.example" in refused("/there")
        assert "from one address to the next" in refused("/round")
        assert "answers 500" in refused("/broken")
        assert "no file at" in refused("/missing?key=secret")
        assert "secret" not in refused("/missing?key=secret")
        assert "has not come whole" in refused("/day.csv", until=0.0)
        with pytest.raises(spool.TooLarge):
            fetched("/large")


@pytest.mark.parametrize(
    "url",
    ["http://files.example/day.csv", "https://me:word@files.example/day.csv", "ftp://x/day.csv", "https://"],
)
def test_only_https_without_a_password(url: str) -> None:
    """What is in a URL everybody reads who may read schedules, and everybody on the way reads http."""
    assert list(written.source_faults(url, [1]))


def test_a_url_is_taken_once(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same content on the next day is no new file; what waits is asked for every half a minute."""
    office.scheduler._intake._allowed = ("files.example",)
    contents = [b"number\n1\n"]
    asked = []

    def fetch(source: str, *_: object) -> spool.Spooled:
        asked.append(source)
        return spool.spool(contents)

    monkeypatch.setattr(fetching, "fetch", fetch)
    office.add(source="https://files.example/day.csv?key=secret")
    office.until(6)
    office.turn()
    assert cycle_counts(office) == [("day.csv", 1, "schedule daily")]
    office.until(6)
    office.turn()
    office.turn()
    assert office.states() == ["started", "waiting"]
    assert (
        office.runs()[-1].note
        == "no new file at https://files.example/day.csv?...: it is that of a run before"
    )
    assert len(asked) == 2
