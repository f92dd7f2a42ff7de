"""The paths that jobs, pages and events take: each is walked once in a run, and ends whatever struck.

Anyone who starts or reports something asks again if no answer came, as the documents say.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypeVar

from hms_act import accept
from hms_act.client import ActClient
from hms_floor.auth.tokens import Role
from hms_oms.api.errors import Conflict, NotFound, Unavailable
from hms_oms.client import OmsClient
from hms_oms.jobs import commands
from hms_oms.messages import outbox
from hms_ops.oncall import oncall
from hms_ops.webhooks import signing
from hms_ops.webhooks import store as webhooks
from tests.failpoints import judging
from tests.failpoints.judging import Story
from tests.failpoints.lanes import KNOWN, Lane
from tests.failpoints.points import Fault, Point
from tests.provider.storm import LABEL

#: A path is walked within so many seconds, whatever struck, or something is lost.
END_SECONDS = 60.0
#: The lease of an agent, in seconds: the shortest that the API gives.
LEASE_SECONDS = 10.0
#: An incident is over when nothing has been late for so many seconds.
CLEAR_SECONDS = 61.0
#: Where nothing moves for so many seconds, it waits for a time of the ledger's clock: that is moved.
STILL_SECONDS = 1.0

#: How pages end.
_ENDS = {"delivered", "failed", "refused", "expired", "cancelled"}
_ANN = "+12025550143"
_ON_CALL = f"""
[recipients]
ann = "{_ANN}"

[[steps]]
after_minutes = 0
notify = ["ann"]
"""

#: The first page about a queue, or the one into which it was merged.
_PAGE = """
    select
        coalesce(other.state, own.state) as state, own.kind,
        coalesce(other.carried, other.body, own.carried, own.body) as body,
        extract(epoch from greatest(
            coalesce(other.due_at, own.due_at), coalesce(other.lease_until, own.lease_until)
        ) - oms.now())::float8 as seconds
    from ops.incidents as incident
    join oms.messages as own on own.incident_id = incident.id
    left join oms.messages as other on other.id = own.merged_into
    where incident.queue = '{queue}' and page_seq = 1
    order by own.id
    limit 1
"""

Answer = TypeVar("Answer")


class Way:
    """A path; `programs` are those that it leads through."""

    name: ClassVar[str]
    programs: ClassVar[tuple[str, ...]]
    #: What strikes on this path whatever else does.
    given: ClassVar[tuple[Fault, ...]] = ()

    def __init__(self, lane: Lane) -> None:
        self.lane = lane
        self.number = 0

    @abstractmethod
    def walk(self) -> None:
        """Walk it to its end. Raises Stalled."""

    @abstractmethod
    def story(self) -> Story:
        """What has happened in the latest walk, by now."""

    def prepare(self) -> None:
        """Make what it needs before its programs are at work."""


class _Job(Way):
    programs = ("act", "worker", "floor")
    job_type: ClassVar[str]
    payload: ClassVar[dict[str, Any]] = {}

    _since = 0

    def walk(self) -> None:
        self.number = next(self.lane.numbers)
        since = self._since = judging.newest(self.lane)
        self.start()
        self.lane.wait(lambda: self.has_ended(since), "the job to end", END_SECONDS)

    def story(self) -> Story:
        return judging.story(self.lane, self._since)

    def start(self) -> None:
        """Start a job; its key leads to one however often that is asked."""
        payload = {"number": self.number, **self.payload}
        patiently(self.lane, lambda: self.act.start_job(self.job_type, payload, key=str(self.number)))

    @property
    def act(self) -> ActClient:
        return ActClient(self.lane.url, self.lane.badge(Role.OPERATOR))

    def has_ended(self, since: int) -> bool:
        """Whether all jobs of the run have ended; does meanwhile what others have to do."""
        query = "select count(*), count(*) filter (where finished_at is null) as open from oms.jobs"
        [row] = self.lane.rows(f"{query} where id > :id", id=since)
        return bool(row["count"] and not row["open"])


class Order(_Job):
    """Three steps of workers: one that fails once, and two with effects, the last of them with a text."""

    name, job_type = "order", "points:order:v1"
    payload: ClassVar = {
        "work": {
            "count": {"fail": 1},
            "book": {"effect": True},
            "tell": {"effect": True, "text": {"phone": "+12025550199", "body": "told"}},
        }
    }


class Review(_Job):
    """A step of an agent between two of workers."""

    name, job_type = "review", "points:review:v1"

    def has_ended(self, since: int) -> bool:
        """Judge what waits for it, until all has ended."""
        if super().has_ended(since):
            return True
        query = (
            "select from oms.jobs where id > :id and queue = 'judges'"
            " and (status = 'waiting' or status = 'running' and lease_until < oms.now())"
        )
        if self.lane.rows(query, id=since):
            self._judge()
        return False

    def _judge(self) -> None:
        oms = OmsClient(self.lane.url, self.lane.badge(Role.AGENT, queues=["judges"]))
        try:
            reservation = oms.reserve("judges", lease=LEASE_SECONDS)
            if reservation is None:
                return
            reservation.extend(LEASE_SECONDS)
            reservation.report("done", result={"run": "agent"})
        except (Unavailable, Conflict, NotFound):
            # What it does not know the ledger does: it looks again what there is to do.
            return


class Visit(_Job):
    """A wait for an event, and a step that begins later."""

    name, job_type = "visit", "points:visit:v1"

    def has_ended(self, since: int) -> bool:
        """Signal the event, until all has ended."""
        if super().has_ended(since):
            return True
        for row in self.lane.rows(
            "select id from oms.jobs where id > :id and event is not null"
            " and not exists (select from oms.signals as signal where signal.job_id = jobs.id)",
            id=since,
        ):
            try:
                self.act.signal(f"job-{row['id']}", "answered", {"yes": True})
            except Unavailable:
                continue
        return False


class Parts(_Job):
    """A step in two parts that run side by side."""

    name, job_type = "parts", "points:parts:v1"
    payload: ClassVar = {"pieces": [0, 1]}


class Relay(_Job):
    """Two steps for different workers: one publishes the message of the other."""

    name, job_type = "relay", "points:relay:v1"
    programs = ("act", "worker", "far", "floor")


class Family(_Job):
    """A step that starts a job, and one that waits for it."""

    name, job_type = "family", "points:family:v1"
    payload: ClassVar = {"work": {"ask": {"start": ["points:tick:v1"]}}}


class Loss(_Job):
    """A worker that dies with a step, which is taken back."""

    name, job_type = "loss", "points:relay:v1"
    programs = ("act", "worker", "far", "floor")
    given = (Fault(Point("worker", "claim", "after"), "killed"),)


class Tick(_Job):
    """A job that a schedule starts."""

    name = "tick"
    programs = ("act", "worker")

    def start(self) -> None:
        """Have the schedule be due."""
        self.lane.rows("update oms.schedules set next_at = oms.now() where name = 'points-tick'")


class Page(Way):
    """A page from the outbox to a handset."""

    name, programs = "page", ("ops",)

    _query = "from oms.messages where token = 'page {}'"
    _phone = _body = ""

    def walk(self) -> None:
        self.number = next(self.lane.numbers)
        self._phone = f"+1202555{self.number % 100 + 100:04}"
        self._body = f"Queue orders: {self.number} #K7"
        with self.lane.engine.begin() as connection:
            outbox.put_page(
                connection,
                token=f"page {self.number}",
                incident=None,
                kind="page",
                reference="K7",
                recipient=self._phone,
                body=self._body,
            )
        seconds = "extract(epoch from greatest(due_at, lease_until) - oms.now())::float8 as seconds"
        moving(self.lane, f"select state, {seconds} {self._query.format(self.number)}", _ENDS)

    def story(self) -> Story:
        [page] = self.lane.rows(f"select state {self._query.format(self.number)}")
        story = Story({"page": page["state"]}, [])
        texts = [text.body for text in self.lane.provider.handsets(self._phone)]
        _judge_texts(story, f"page {self.number}", self._body, texts)
        return story


class Breach(Way):
    """A deadline that is missed: an incident with a page about it on a handset, and its end."""

    name, programs = "breach", ("ops",)

    def prepare(self) -> None:
        """Have somebody be on call at any time."""
        with self.lane.engine.begin() as connection:
            oncall.set_document(connection, oncall.parse(_ON_CALL), "lane", None)

    _queue = ""

    def walk(self) -> None:
        self.number = next(self.lane.numbers)
        # A queue of its own has an incident of its own.
        queue = self._queue = f"late-{self.number}"
        with self.lane.engine.begin() as connection:
            recipe, payload = KNOWN["points:order:v1"], {"number": 10**6 + self.number}
            job = accept.start_job(connection, recipe, payload, requested_by="lane").job.id
            connection.exec_driver_sql("insert into oms.queues (name) values (%s)", (queue,))
            connection.exec_driver_sql(
                "update oms.jobs set queue = %s, sla = oms.now() - interval '1 s' where id = %s", (queue, job)
            )
        moving(self.lane, _PAGE.format(queue=queue), _ENDS)
        with self.lane.engine.begin() as connection:
            commands.cancel(connection, [job], who="lane", reason=None)
        incident = f"from ops.incidents where queue = '{queue}'"
        self.lane.wait(
            lambda: self.lane.rows(f"select {incident} and clear_since is not null"), "an end", END_SECONDS
        )
        self.lane.forward(CLEAR_SECONDS)
        self.lane.wait(
            lambda: self.lane.rows(f"select {incident} and told_seq = page_seq"), "a last text", END_SECONDS
        )

    def story(self) -> Story:
        [page] = self.lane.rows(_PAGE.format(queue=self._queue))
        kinds = self.lane.rows(
            "select kind, count(*) from oms.messages where incident_id in"
            " (select id from ops.incidents where queue = :queue) group by kind order by kind",
            queue=self._queue,
        )
        story = Story({"page": page["state"]}, [(row["kind"], row["count"]) for row in kinds])
        texts = [text.body for text in self.lane.provider.handsets(_ANN)]
        _judge_texts(story, self._queue, page["body"], texts)
        return story


class Event(Way):
    """The end of a job, as a webhook hears of it."""

    name, programs = "event", ("ops",)

    def prepare(self) -> None:
        key = signing.make_key(self.lane.settings)
        with self.lane.engine.begin() as connection:
            webhooks.add(
                connection,
                key,
                name="points",
                url=self.lane.receiver.url,
                events=["job.cancelled"],
                queue=None,
                job_type=None,
                set_by="lane",
            )
            # While a text is open the pager does all that it does over and over: this one is for next year.
            outbox.put_page(
                connection,
                token="later",
                incident=None,
                kind="page",
                reference=None,
                recipient="+12025550100",
                body="Later.",
                not_before=datetime.now(UTC) + timedelta(days=365),
            )

    _subject = ""

    def walk(self) -> None:
        self.number = next(self.lane.numbers)
        recipe, payload = KNOWN["points:order:v1"], {"number": 10**6 + self.number}
        with self.lane.engine.begin() as connection:
            job = accept.start_job(connection, recipe, payload, requested_by="lane").job.id
            commands.cancel(connection, [job], who="lane", reason=None)
        self._subject = f"job-{job}"
        moving(
            self.lane,
            "select state, extract(epoch from greatest(due_at, lease_until) - oms.now())::float8 as seconds"
            f" from ops.webhook_deliveries where event_id = '{self._subject}-cancelled-1'",
            {"delivered", "failed"},
        )

    def story(self) -> Story:
        rows = self.lane.rows(
            "select state from ops.webhook_deliveries where event_id like :subject || '-%' order by event_id",
            subject=self._subject,
        )
        requests = [
            got
            for got in self.lane.receiver.requests
            # What is cut off on its way no receiver takes.
            if len(got.body) == int(got.headers["content-length"]) and got.event["subject"] == self._subject
        ]
        story = Story({"events": [row["state"] for row in rows]}, [])
        if not requests:
            story.lost.append(f"the end of {self._subject} did not come")
        if len({(got.id, got.body) for got in requests}) > 1:
            story.twice.append(f"the end of {self._subject} came as {sorted({got.id for got in requests})}")
        return story


PATHS: dict[str, type[Way]] = {
    path.name: path for path in (Order, Relay, Loss, Review, Visit, Parts, Family, Tick, Page, Breach, Event)
}


def _judge_texts(story: Story, name: str, body: str, texts: Sequence[str]) -> None:
    """A page is shown once, or again with a label that says so."""
    shown = [text for text in texts if text.startswith(body)]
    if not shown:
        story.lost.append(f"{name} was not shown")
    if shown.count(body) > 1 or any(text not in (body, body + LABEL) for text in shown):
        story.twice.append(f"{name} was shown as {shown}")


def moving(lane: Lane, query: str, ends: set[str]) -> str:
    """Wait until the state of a row is one of its `ends`; where it stands still, let its time come."""
    still = time.monotonic()
    last: Any = None

    def look() -> str | None:
        nonlocal still, last
        rows = lane.rows(query)
        if not rows:
            return None
        [row] = rows
        if row["state"] in ends:
            return str(row["state"])
        if row["state"] != last:
            last, still = row["state"], time.monotonic()
        if row["seconds"] > 0 and time.monotonic() - still > STILL_SECONDS:
            lane.forward(row["seconds"])
            still = time.monotonic()
        return None

    return str(lane.wait(look, "the end of a message", END_SECONDS))


def patiently(lane: Lane, ask: Callable[[], Answer]) -> Answer:
    """Ask the API until it answers."""

    def look() -> tuple[Answer] | None:
        try:
            return (ask(),)
        except Unavailable:
            return None

    (answer,) = lane.wait(look, "the API to answer", END_SECONDS)
    return answer  # type: ignore[no-any-return]
