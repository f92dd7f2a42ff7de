"""Errors are pages of ours: every role on every page, every wrong value, every unknown address, no ledger."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import chain, cycle
from urllib.parse import urlsplit

import httpx
import psutil
import pytest

from hms_floor.api.access.roles import TABLE
from hms_floor.auth.tokens import Role
from hms_floor.local import embedded
from hms_floor.pages import all_pages, frame, route
from tests.conftest import wait_until
from tests.support.api import RunningApi, standing
from tests.support.clusters import admin

#: A page of each kind; what has an id is there.
PAGES = {
    "/": "/",
    "/wall": "/wall",
    "/queues/{name}": "/queues/shop",
    "/jobs": "/jobs",
    "/jobs/{name}": "/jobs/job-1",
    "/cycles": "/cycles",
    "/cycles/{number}": "/cycles/1",
    "/incidents": "/incidents",
    "/incidents/{name}": "/incidents/1",
    "/sla": "/sla",
    "/simulation": "/simulation",
    "/workers": "/workers",
    "/schedules": "/schedules",
    "/schedules/{name}": "/schedules/nobody",
    "/oncall": "/oncall",
    "/oncall/edit": "/oncall/edit",
    "/audit": "/audit",
    "/people": "/people",
}
#: What is wrong in an address, the status that it is answered with, and words that say so.
WRONG = {
    "/jobs?status=nonsense": (422, "There is no status"),
    "/jobs?batch=abc": (422, "cycles are numbered"),
    "/jobs?batch=99999999999999999999999": (422, "cycles are numbered"),
    "/jobs?cursor=abc": (422, "cursor"),
    "/jobs?payload=novalue": (422, "as in countyFips=19153"),
    "/jobs?queue=nowhere&foo=bar": (404, "nowhere"),
    "/jobs/nonsense": (404, "nonsense"),
    "/jobs/job-999999": (404, "job-999999"),
    "/jobs/job-99999999999999999999999": (404, "job-99999999999999999999999"),
    "/cycles/abc": (404, "There is no cycle abc."),
    "/cycles/999": (404, "999"),
    "/cycles/99999999999999999999999": (404, "99999999999999999999999"),
    "/incidents/abc": (404, "abc"),
    "/incidents/999": (404, "999"),
    "/incidents/99999999999999999999999": (404, "99999999999999999999999"),
    "/queues/nowhere": (404, "nowhere"),
    "/queues/shop?window=3d": (422, "it is one of 5m, 30m"),
    "/?from=2026-11-23": (422, "both, from and to"),
    "/sla?week=nonsense": (422, "from"),
    "/sla?week=2026-99-99": (422, "from"),
    "/sla?week=0001-01-01": (200, "No job has ended in this week."),
    "/sla?week=9999-12-31": (200, "No job has ended in this week."),
    "/sla?queue=nowhere": (404, "nowhere"),
    "/audit?cursor=abc": (422, "cursor"),
    "/nowhere": (404, "There is no page at this address."),
    "/jobs/job-1/nowhere": (404, "There is no page at this address."),
}


@pytest.fixture(scope="module")
def api_server(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    """An API with pages, for all tests of this module, and a cycle with one job."""
    home = tmp_path_factory.mktemp("api") / "home"
    with standing(module_database, "redis://127.0.0.1:1/0", home) as opened:
        headers = {
            "Authorization": f"Bearer {opened.badge('manager')}",
            "Content-Type": "application/x-ndjson",
        }
        path = f"{opened.url}/cycles?jobType=shop:order:v1&name=one.ndjson"
        answer = httpx.post(path, content='{"number": 1}\n', headers=headers, trust_env=False, verify=False)
        assert answer.is_success, answer.text
        yield opened


def look(api_server: RunningApi, path: str, *roles: str) -> httpx.Response:
    """Open a page with a badge of these roles."""
    cookies = {"hms_badge": api_server.badge(*roles)}
    return httpx.get(
        f"{api_server.url}/floor{path}", cookies=cookies, trust_env=False, timeout=60, verify=False
    )


def links(answer: httpx.Response) -> set[str]:
    """The pages that the bar of a page leads to."""
    keys = "|".join(key for _, _, key, _ in frame.LINKS)
    return set(re.findall(rf'"href":"([^"]+)","data-key":"(?:{keys})"', answer.text.replace("&quot;", '"')))


@pytest.mark.parametrize("role", list(Role))
def test_a_role_reads_its_pages_and_hears_of_the_others_why_not(api_server: RunningApi, role: Role) -> None:
    """Each page is for those who may read its route; the bar leads to no page that its reader may not see."""
    assert all_pages.PAGES
    assert set(PAGES) == set(route.READ_BY)
    offered = {path for path, _, _, reads in frame.LINKS if role in TABLE[reads]}
    for path, example in PAGES.items():
        answer = look(api_server, example, role)
        missing = path in ("/incidents/{name}", "/schedules/{name}")
        expected = 403 if role not in route.READ_BY[path] else 404 if missing else 200
        assert answer.status_code == expected, path
        assert ("Not for your role" in answer.text) == (expected == 403), path
        # Nothing is pressed on a wall.
        assert links(answer) == (set() if path == "/wall" and expected == 200 else offered), path


def buttons(answer: httpx.Response) -> set[str]:
    """What the buttons of a page say, without those that are hidden."""
    [tree] = re.findall(r"parseElements\(String\.raw`(.*?)`\)", answer.text, re.DOTALL)
    elements = json.loads(html.unescape(tree))
    parents = {}
    for number, element in elements.items():
        slots = [slot.get("ids", []) for slot in element.get("slots", {}).values()]
        parents |= dict.fromkeys(map(str, chain(element.get("children", []), *slots)), number)

    def is_shown(number: str | None) -> bool:
        hidden = number is not None and "hidden" in elements[number].get("class", [])
        return number is None or (not hidden and is_shown(parents.get(number)))

    labels = {
        element.get("props", {}).get("label")
        for number, element in elements.items()
        if element["tag"].endswith("btn") and is_shown(number)
    }
    return {label for label in labels if label}


def test_a_role_is_offered_what_it_may_do(api_server: RunningApi) -> None:
    """A viewer changes nothing and sees no values; an operator starts and cancels; a manager does all."""
    unseen = "Your badge does not show values."
    assert unseen in look(api_server, "/jobs/job-1", Role.VIEWER).text
    assert unseen not in look(api_server, "/jobs/job-1", Role.MANAGER).text
    paths = ("/", "/queues/shop", "/cycles", "/incidents", "/jobs")
    offered = {
        role: {label for path in paths for label in buttons(look(api_server, path, role))}
        for role in (Role.VIEWER, Role.ONCALL, Role.OPERATOR, Role.MANAGER)
    }
    looking = {"Search", "Notify me", "From ... to"}
    assert offered[Role.VIEWER] - looking == set()
    assert offered[Role.ONCALL] - looking <= {"Acknowledge"}
    starts = {"Run daily cycle", "Choose a file", "Retry", "Reinstate", "Cancel"}
    assert offered[Role.OPERATOR] - looking == starts
    assert offered[Role.MANAGER] >= {"Pause", "Limits", "SLA", "Silence"} | starts


@pytest.mark.parametrize("path", WRONG)
def test_a_wrong_address_is_answered_by_a_page_that_says_what_is_wrong(
    api_server: RunningApi, path: str
) -> None:
    """With the bar, the reason, and a way on; never a blank page or an error of the server."""
    status, words = WRONG[path]
    answer = look(api_server, path, "manager")
    assert answer.status_code == status
    assert "Operations floor" in answer.text
    assert words.lower() in answer.text.lower()
    if status != 200:
        assert re.search("Back to the floor|All jobs|All cycles|All incidents|Without filters", answer.text)
    assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_every_page_says_that_the_ledger_is_away(
    api_server: RunningApi, servers: embedded.Servers, module_database: str
) -> None:
    """Closed or frozen, each page says so in a few seconds and is itself again afterwards."""
    shop = urlsplit(module_database).path.removeprefix("/")
    admin(servers, f"alter database {shop} with allow_connections false")
    admin(
        servers,
        "select pg_terminate_backend(pid) from pg_stat_activity"
        f" where datname = '{shop}' and backend_type = 'client backend'",
    )
    _all_away(api_server, [(page, role) for page in _PLACES for role in Role])
    assert httpx.get(f"{api_server.url}/enter?code=x", trust_env=False, verify=False).status_code == 503
    admin(servers, f"alter database {shop} with allow_connections true")
    wait_until(lambda: look(api_server, "/jobs", "viewer").status_code == 200, "the pages to be back")
    for process in _database(servers):
        # A process of autovacuum may have ended since.
        with suppress(psutil.NoSuchProcess):
            process.suspend()
    try:
        # A page waits for a frozen one: each in one of the roles is enough.
        _all_away(api_server, list(zip(_PLACES, cycle(Role), strict=False)))
    finally:
        for process in _database(servers):
            with suppress(psutil.NoSuchProcess):
                process.resume()
    wait_until(lambda: look(api_server, "/jobs", "viewer").status_code == 200, "the pages to be back")


_PLACES = (*PAGES.values(), "/nowhere")
_AWAY = "The ledger does not answer"


def _all_away(api_server: RunningApi, asked: Sequence[tuple[str, Role]]) -> None:
    # A badge that was let in a moment ago is good for another one, and so is the last look at the queues.
    for page in ("/jobs", "/"):
        wait_until(lambda page=page: look(api_server, page, "viewer").status_code == 503, f"{page} to say so")
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda item: _away(api_server, *item), asked))
    for item, answer in zip(asked, answers, strict=True):
        assert answer.status_code == 503, item
        assert answer.elapsed.total_seconds() < 20, item


def _away(api_server: RunningApi, page: str, role: Role) -> httpx.Response:
    """The answer of a page that says that the ledger is away, once its last look is too old."""

    def answer() -> httpx.Response | None:
        answered = look(api_server, page, role)
        return answered if _AWAY in answered.text else None

    return wait_until(answer, f"{page} to say to the role {role} that the ledger is away")


def _database(servers: embedded.Servers) -> list[psutil.Process]:
    server = psutil.Process(int((servers.home / "postgres" / "postmaster.pid").read_text().split()[0]))
    return [server, *server.children(recursive=True)]
