"""The floor below a path of a host that it shares, behind a proxy that hands the path on or leaves it out."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, expect

from hms_act import ActClient
from hms_floor import subpath
from hms_floor.api import app
from hms_floor.auth import sign_in_link
from hms_floor.local.embedded import Servers
from hms_floor.pages import mount
from hms_oms import OmsClient
from hms_oms.database import connections, health
from hms_oms.runtime import settings
from hms_oms.runtime.errors import ConfigError
from hms_ops import OpsClient
from hms_ops.findings import Finding
from hms_ops.incidents import lifecycle, thresholds
from tests.conftest import RECIPES, wait_until
from tests.pages.conftest import CALM, PATIENCE
from tests.pages.conftest import ROOT as PROJECT
from tests.support.api import RunningApi, free_port, standing
from tests.support.programs import Program, run_hms
from tests.support.subpath import ROOT, Front, front

#: What leads somewhere in a page: attributes of elements, properties of components, imports of sheets.
_LEADS = re.compile(
    r"""(?:\b(?:href|src|action|target|path|prefix|url)["']?\s*[=:]\s*|url\(|import\s*|@[\w/.-]+":\s*)\\?["'](/[^"'\\]*)\\?["']"""
)


#: A job whose first step has run on a worker, and one whose event log is gone.
_RUNS = """
with made as (
    insert into oms.jobs
        (type, recipe_id, steps, queue, status, sla, sla_minutes, payload, requested_by, finished_at)
    select type, id, '{pick,pack,send}', 'shop', 'done', oms.now(), 60, '{}', 'ann', oms.now()
    from oms.recipes, generate_series(1, 2) where type = 'shop:order:v1'
    returning id
)
insert into oms.job_events (job_id, at, fact, status, step, attempt, who)
select min(id), oms.now(), fact, status, 0, 1, 'worker-1@here'
from made, (values ('claimed', 'running'), ('completed', 'done')) as line (fact, status) group by fact, status
"""


@pytest.fixture(scope="module")
def api_server(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApi]:
    """A floor that the world sees below a path, with a job, a cycle and an incident."""
    url, home = module_database, tmp_path_factory.mktemp("api") / "home"
    with connections.engine(url).begin() as connection:
        now = health.clock(connection)
        late = Finding("late", "shop", 3.0, late_jobs=2, facts={"late": 2, "late_since": now.isoformat()})
        lifecycle.observe(
            connection, now, [late], thresholds.limits(connection), judged=["late"], looked_before=now
        )
    place = {"HMS_PUBLIC_URL": f"https://ops.example.gov{ROOT}", "HMS_FLOWER_PORT": str(free_port())}
    with standing(url, "redis://127.0.0.1:1/0", home, **place) as opened:
        headers = {
            "Authorization": f"Bearer {opened.badge('manager')}",
            "Content-Type": "application/x-ndjson",
        }
        path = f"{opened.url}/cycles?jobType=shop:order:v1&name=one.ndjson"
        answer = httpx.post(
            path, content='{"number": 1}\n{"number": "x"}\n', headers=headers, trust_env=False, verify=False
        )
        assert answer.is_success, answer.text
        with connections.engine(url).begin() as connection:
            connection.exec_driver_sql(_RUNS)
        yield opened


@pytest.fixture(scope="module")
def flower(api_server: RunningApi, servers: Servers) -> Iterator[None]:
    """Flower as `hms up` starts it beside the floor."""
    known = api_server.settings
    environment = api_server.environment() | {
        "HMS_DATABASE_URL": str(known.database_url),
        "HMS_BROKER_URL": str(servers.broker_url),
        "HMS_PUBLIC_URL": str(known.public_url),
        "HMS_FLOWER_PORT": str(known.flower_port),
        "HMS_RECIPES": str(RECIPES),
    }
    words = ("celery", "-A", "workers", "flower", "--address=127.0.0.1", f"--port={known.flower_port}")
    log = known.home / "flower.log"
    process = Program(["-m", *words], environment, log, PROJECT, clean=True)
    url = f"http://127.0.0.1:{known.flower_port}{ROOT}/flower/healthcheck"

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            return httpx.get(url, trust_env=False, verify=False).is_success
        except httpx.HTTPError:
            return False

    try:
        wait_until(answers, "Flower to answer")
        yield
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(params=[True, False], ids=["left out", "handed on"])
def proxy(api_server: RunningApi, request: pytest.FixtureRequest) -> Iterator[Front]:
    """A proxy of each kind."""
    with front(api_server.url, strips=request.param) as result:
        yield result


def leads(page: str) -> set[str]:
    """Where a page leads, and what it loads; NiceGUI's script puts the path before where files go."""
    result = {address.partition("#")[0] for address in _LEADS.findall(html.unescape(page))}
    return {address for address in result if not address.startswith("/_nicegui/client/")}


@pytest.mark.usefixtures("flower")
def test_no_address_of_a_page_leaves_the_path(api_server: RunningApi, proxy: Front) -> None:
    """All links, forms and assets of all pages, and those of Flower, are there below the path."""
    cookies = {"hms_badge": api_server.badge("manager", "admin", "oncall")}
    with httpx.Client(
        base_url=proxy.origin, cookies=cookies, trust_env=False, timeout=60, verify=False
    ) as client:
        # The page of jobs makes its links in the browser.
        left = {f"{ROOT}/floor/", *(f"{ROOT}/floor/jobs/job-{number}" for number in (1, 2, 3))}
        observed, faults = set[str](), []
        while left:
            address = left.pop()
            observed.add(address)
            if "?window=" in address and "/queues/" in address and "/queues/shop?" not in address:
                # One queue is enough for all: they have the same windows.
                continue
            answer = client.get(address)
            if not address.startswith(f"{ROOT}/") or answer.status_code >= 400:
                faults.append((answer.status_code, address))
            elif "?" not in address and (
                answer.headers.get("x-nicegui-content") == "page" or _of_flower(address, answer)
            ):
                left |= leads(answer.text) - observed - {f"{ROOT}/floor", f"{ROOT}/leave"}
        assert faults == []
        assert proxy.strays == []
        pages = {"queues/shop", "cycles/1", "incidents/1", "sla", "workers", "oncall", "audit"}
        assert {f"{ROOT}/floor/{page}" for page in pages} <= observed
        assert {f"{ROOT}/flower/{page}" for page in ("", "tasks", "broker", "floor-link")} <= observed
        assert f"{ROOT}/flower-link/job-2.1.pick" in observed
        assert any(address.endswith("nicegui.js") for address in observed)


def _of_flower(address: str, answer: httpx.Response) -> bool:
    kind = answer.headers.get("content-type", "")
    return address.startswith(f"{ROOT}/flower/") and kind.startswith("text/html")


def test_the_way_in_and_out_stays_below_the_path(api_server: RunningApi, proxy: Front) -> None:
    """Redirects, forms and cookies: what is kept for this floor is shown to no other part of the host."""
    with httpx.Client(trust_env=False, timeout=60, verify=False) as client:
        for address in (proxy.url + "/", f"{proxy.url}/floor"):
            assert client.get(address).headers["location"] == f"{ROOT}/floor/"
        answer = client.get(f"{proxy.url}/floor/jobs?status=open")
        assert answer.headers["location"] == f"{ROOT}/enter?next=/floor/jobs%3Fstatus%3Dopen"
        assert 'action="enter"' in client.get(proxy.origin + answer.headers["location"]).text
        code = sign_in_link.make_code(api_server.settings.home, time.time())
        answer = client.get(f"{proxy.url}/enter?code={code}&next=/floor/jobs")
        assert (answer.status_code, answer.headers["location"]) == (303, f"{ROOT}/floor/jobs")
        answer = client.get(f"{proxy.url}/floor/jobs")
        assert answer.status_code == 200
        assert {(cookie.name, cookie.path) for cookie in client.cookies.jar} == {
            ("hms_badge", ROOT),
            ("hms_page", ROOT),
        }
        answer = client.post(f"{proxy.url}/leave")
        assert answer.headers["location"] == f"{ROOT}/enter"
        assert {cookie.name for cookie in client.cookies.jar} == {"hms_page"}
    assert proxy.strays == []


def test_clients_and_the_command_line_work_at_the_path(api_server: RunningApi, proxy: Front) -> None:
    """All that programs ask, the stream of events and a link of the API included."""
    badge = api_server.badge("manager", "oncall", "admin")
    place = f"{proxy.url}/"
    with ActClient(place, badge) as act, OmsClient(place, badge) as oms, OpsClient(place, badge) as ops:
        started = act.start_job("shop:order:v1", {"number": 7})
        assert oms.job(started.id).id == started.id
        assert [cycle.name for cycle in oms.cycles()] == ["one.ndjson"]
        assert [incident.queue for incident in ops.incidents("open")] == ["shop"]
        assert next(ops.frames()) == []
    headers = {"Authorization": f"Bearer {badge}"}
    with httpx.Client(headers=headers, trust_env=False, timeout=60, verify=False) as client:
        answer = client.post(f"{place}jobs", json={"jobType": "shop:order:v1", "payload": {"number": 8}})
        assert answer.headers["location"].startswith(f"{ROOT}/jobs/job-")
        assert client.get(proxy.origin + answer.headers["location"]).status_code == 200
        assert client.get(f"{place}openapi.json").json()["servers"] == [{"url": ROOT}]
        assert client.put(f"{place}jobs").headers["allow"] == "GET, POST"
    environment = api_server.environment(badge) | {"HMS_URL": place}
    done = run_hms(["queue", "list"], environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "shop" in done.stdout
    assert proxy.strays == []


def test_a_page_lives_below_the_path(browser: Browser, api_server: RunningApi) -> None:
    """Its line to the server, keys, theme and zone, and what it does: nothing is asked of others."""
    with front(api_server.url, strips=True) as proxy:
        context = browser.new_context(**CALM)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        failed: list[str] = []
        page.on("response", lambda result: failed.append(result.url) if result.status >= 400 else None)
        page.goto(f"{proxy.url}/enter?code={sign_in_link.make_code(api_server.settings.home, time.time())}")
        expect(page.get_by_label("Queue shop")).to_be_visible()
        page.keyboard.press("t")
        page.keyboard.press("z")
        expect(page.get_by_label("Show times of the office")).to_be_visible()
        page.keyboard.press("g")
        page.keyboard.press("j")
        page.wait_for_url(f"{proxy.url}/floor/jobs")
        page.get_by_role("link", name="job-1", exact=True).click()
        page.wait_for_url(f"{proxy.url}/floor/jobs/job-1")
        page.get_by_role("button", name="Cancel").click()
        page.get_by_role("dialog").get_by_role("button", name="Cancel jobs").click()
        page.get_by_role("button", name="Undo").click()
        expect(page.get_by_text("undone")).to_be_visible()
        page.goto(f"{proxy.url}/floor/cycles")
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Choose a file").click()
        with page.expect_response(lambda answer: answer.request.method == "POST") as sent:
            chooser.value.set_files({"name": "two.csv", "mimeType": "text/csv", "buffer": b"number\n2\n"})
        assert (sent.value.status, sent.value.url.startswith(proxy.url)) == (200, True)
        assert {cookie["path"] for cookie in context.cookies()} == {ROOT}
        page.get_by_role("button", name="Sign out").click()
        page.wait_for_url(f"{proxy.url}/enter")
        assert {urlsplit(item).path for item in failed} == set()
        assert proxy.strays == []
        context.close()


@pytest.mark.usefixtures("flower")
def test_flower_below_the_path(browser: Browser, api_server: RunningApi, proxy: Front) -> None:
    """Its readers sign in at the floor and come back; its tables load, and its links lead to the floor."""
    context = browser.new_context(**CALM)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    failed: list[str] = []
    page.on("response", lambda result: failed.append(result.url) if result.status >= 400 else None)
    page.goto(f"{proxy.url}/flower/tasks")
    assert page.url == f"{proxy.url}/enter?next=/flower/tasks"
    page.get_by_label("Badge").fill(api_server.badge("viewer"))
    with page.expect_response(re.compile(f"{proxy.url}/flower/tasks/datatable")) as table:
        page.get_by_role("button", name="Sign in").click()
    assert (page.url, table.value.status) == (f"{proxy.url}/flower/tasks", 200)
    page.goto(f"{proxy.url}/flower/job-link/job-1.1.pick")
    assert page.url == f"{proxy.url}/floor/jobs/job-1"
    page.get_by_role("link", name="Flower", exact=True).click()
    page.wait_for_url(f"{proxy.url}/flower/")
    page.get_by_role("link", name="Operations floor").click()
    page.wait_for_url(f"{proxy.url}/floor/")
    assert failed == []
    assert proxy.strays == []
    context.close()


def test_the_api_is_tried_on_its_page(browser: Browser, api_server: RunningApi) -> None:
    """With a badge, below the path, and under a policy that allows nothing inline or from elsewhere."""
    with front(api_server.url, strips=True) as proxy:
        context = browser.new_context(**CALM)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        refused: list[str] = []
        page.on(
            "console", lambda line: refused.append(line.text) if "Content Security" in line.text else None
        )
        page.goto(f"{proxy.url}/docs")
        page.get_by_role("button", name="Authorize").first.click()
        page.get_by_label("auth-bearer-value").fill(api_server.badge("viewer"))
        page.get_by_role("button", name="Apply credentials").click()
        page.get_by_role("button", name="Close").click()
        page.locator("#operations-badges-getMe .opblock-summary-control").click()
        page.get_by_role("button", name="Try it out").click()
        with page.expect_response(f"{proxy.url}/me") as response:
            page.get_by_role("button", name="Execute").click()
        assert (response.value.status, response.value.json()["roles"]) == (200, ["viewer"])
        assert refused == []
        assert proxy.strays == []
        context.close()


def test_a_path_that_begins_like_one_of_ours_is_refused(api_server: RunningApi) -> None:
    """Nobody could tell whether it was left out; and what belongs in no path is in none."""
    made = app.make(api_server.settings)
    mount.mount(made, api_server.settings)
    own = {route.path.split("/")[1] for route in made.routes} - {""}  # type: ignore[attr-defined]
    assert {"floor", "jobs", "enter", "healthz"} <= own
    for first in own:
        with pytest.raises(ConfigError, match=f"HMS_PUBLIC_URL: /{first} is an address of the floor itself"):
            subpath.require_free(f"/{first}/hms", [route.path for route in made.routes])  # type: ignore[attr-defined]
    assert all(
        f"/{first}" in subpath.PAGES
        for first in own - {r.path.split("/")[1] for r in app.make(api_server.settings).routes}
    )  # type: ignore[attr-defined]
    subpath.require_free("/ops/jobs", ["/jobs"])
    for path in ("/a b", "/a;b", "/../hms", "/hms/.", "/a//b", "/é", "/%68", "/'"):
        with pytest.raises(ConfigError, match="HMS_PUBLIC_URL"):
            settings.load({"HMS_PUBLIC_URL": f"https://ops.example.gov{path}"})
    assert (
        settings.load({"HMS_PUBLIC_URL": "https://ops.example.gov/hms/"}).public_url
        == "https://ops.example.gov/hms"
    )
