"""HMS-OMS from outside: look into the ledger, and do the steps that are an agent's."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any, Literal

from hms_oms.api.codec import Record, record, stamp
from hms_oms.api.errors import NotFound
from hms_oms.api.filter import Filter
from hms_oms.api.http import Client, Wire, path
from hms_oms.documents.access import Badge, Entry, IssuedBadge, Me
from hms_oms.documents.cycles import Cycle, CycleReport, RefusedRow, RepeatedRow
from hms_oms.documents.foresight import QueueForecast
from hms_oms.documents.jobs import Explained, Job, JobType, JobWithTimeline, Peeked, ReservedJob
from hms_oms.documents.queues import Queue, QueueCalendar, Sla, Worker

#: The most that the API lists in one answer.
PAGE = 500
#: The API lets nobody wait for longer than this at a time, in seconds ...
LONGEST_WAIT = 30.0
#: ... and answers so many seconds later at the latest.
SLACK_SECONDS = 10.0


class OmsClient(Client):
    """Jobs, queues, SLAs, workers and cycles as the ledger has them; reservations for agents.

    What only reads is tried again where the way to the API is shaky. All methods raise ApiError:
    Unauthorized, Forbidden, NotFound, InvalidRequest, TooManyRequests, Unavailable.
    """

    def peek(self, queue: str, limit: int = 20) -> list[Peeked]:
        """The next jobs of a queue's backlog, in the order in which they will be handed out."""
        answer = self._wire.get(path("queues", queue, "peek"), limit=limit)
        return [record(Peeked, job) for job in answer["jobs"]]

    def jobs(
        self, selected: Filter | None = None, *, limit: int | None = None, order: str | None = None
    ) -> Iterator[Job]:
        """The jobs that a filter means, newest first, fetched page by page as they are asked for.

        Late, risky and open jobs may be listed in the `order` deadline or lateness.
        """
        return self._listed("/jobs", "jobs", Job, limit, order=order, **(selected or Filter()).query())

    def count(self, selected: Filter | None = None, *, most: int | None = None) -> int:
        """How many jobs a filter means, counted no further than to one more than `most`."""
        query = (selected or Filter()).query()
        answer = self._wire.get("/jobs", limit=1, count="true", countTo=most, **query)
        return int(answer["total"]) + bool(answer.get("uncounted"))

    def search(self, text: str, *, limit: int) -> tuple[list[Job], bool]:
        """The newest jobs that have all words of a text, and whether there are more.

        Words are those of the fields that a recipe shows, and of the key; parts of them do, and case and
        accents do not matter. Raises InvalidRequest for a text without a word of three characters.
        """
        answer = self._wire.get("/jobs", search=text, limit=limit)
        return [record(Job, job) for job in answer["jobs"]], bool(answer["more"] or answer["next"])

    def job(self, job: str, *, forecast: bool = False) -> JobWithTimeline:
        """One job with its timeline, and with `forecast` when it will end. Raises NotFound."""
        asked = "true" if forecast else None
        return record(JobWithTimeline, self._wire.get(path("jobs", job), forecast=asked))

    def explain(self, job: str, *, zone: str | None = None) -> Explained:
        """Why a job is where it is, and what would get it further. Raises NotFound."""
        return record(Explained, self._wire.get(path("jobs", job, "explain"), zone=zone))

    def queues(self) -> list[Queue]:
        """Every queue as it stands now, by name."""
        return [record(Queue, queue) for queue in self._wire.get("/queues")["queues"]]

    def forecast(self, queue: str, workers: int | None = None) -> QueueForecast:
        """How a queue will fare, with so many `workers` as well, and how many are needed. Raises NotFound."""
        return record(QueueForecast, self._wire.get(path("queues", queue, "forecast"), workers=workers))

    def slas(self) -> list[Sla]:
        """The SLA in force of every queue."""
        return [record(Sla, sla) for sla in self._wire.get("/sla")["slas"]]

    def sla(self, queue: str) -> list[Sla]:
        """Every SLA that a queue has had, the newest first. Raises NotFound."""
        answer = self._wire.get(path("queues", queue, "sla"))
        return [record(Sla, sla) for sla in answer["history"]]

    def calendar(self, queue: str) -> QueueCalendar:
        """The office hours in which the SLAs of a queue count. Raises NotFound."""
        return record(QueueCalendar, self._wire.get(path("queues", queue, "calendar")))

    def job_types(self) -> list[JobType]:
        """What may be started, and what each payload must hold."""
        return [record(JobType, recipe) for recipe in self._wire.get("/recipes")["recipes"]]

    def workers(self) -> list[Worker]:
        """The live workers."""
        return [record(Worker, worker) for worker in self._wire.get("/workers")["workers"]]

    def cycles(self, *, limit: int | None = None) -> Iterator[Cycle]:
        """The cycles, newest first."""
        return self._listed("/cycles", "cycles", Cycle, limit)

    def cycle(self, cycle: int | None = None) -> CycleReport:
        """How a cycle stands and what came of it, of the latest where None. Raises NotFound."""
        if cycle is None:
            latest = next(self.cycles(limit=1), None)
            if latest is None:
                raise NotFound("no cycle has been run yet", status=404)
            cycle = latest.id
        return record(CycleReport, self._wire.get(path("cycles", cycle)))

    def refused_rows(self, cycle: int, *, limit: int | None = None) -> Iterator[RefusedRow]:
        """The rows of a cycle that were refused, each as it came. Raises NotFound."""
        return self._listed(path("cycles", cycle, "refused"), "rows", RefusedRow, limit)

    def refused_file(self, cycle: int, kind: Literal["csv", "xlsx"], file: IO[bytes]) -> None:
        """Write all refused rows of a cycle into a file, as CSV or as an Excel workbook. Raises NotFound."""
        self._wire.download(path("cycles", cycle, f"refused.{kind}"), file)

    def duplicates(
        self, cycle: int, *, differing: bool = False, limit: int | None = None
    ) -> Iterator[RepeatedRow]:
        """The rows of a cycle whose key a job had already, or only those that differ. Raises NotFound."""
        query = {"differing": "true"} if differing else {}
        return self._listed(path("cycles", cycle, "duplicates"), "rows", RepeatedRow, limit, **query)

    def audit(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        subject: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
    ) -> Iterator[Entry]:
        """Who changed what through the API, newest first; from `since` on and before `until`."""
        query: dict[str, Any] = {"actor": actor, "action": action, "subject": subject}
        query |= {"from": since and stamp(since), "to": until and stamp(until)}
        return self._listed("/audit", "entries", Entry, limit, **query)

    def badges(self, *, limit: int | None = None) -> Iterator[Badge]:
        """The register of badges, newest first."""
        return self._listed("/badges", "badges", Badge, limit)

    def issue_badge(
        self,
        actor: str,
        roles: Sequence[str],
        *,
        hours: float = 8.0,
        queues: Sequence[str] = (),
        reason: str | None = None,
    ) -> IssuedBadge:
        """Make a badge; an agent's names the queues it may work on. Only its token is the badge."""
        document: dict[str, Any] = {"actor": actor, "roles": list(roles), "hours": hours, "reason": reason}
        if queues:
            document["queues"] = list(queues)
        return record(IssuedBadge, self._wire.post("/badges", document))

    def revoke_badge(self, jti: str, *, reason: str | None = None) -> Badge:
        """Take a badge back. Raises NotFound."""
        return record(Badge, self._wire.post(path("badges", jti, "revoke"), {"reason": reason}))

    def me(self) -> Me:
        """Who the badge says one is."""
        return record(Me, self._wire.get("/me"))

    def reserve(self, queue: str, *, wait: float = 0.0, lease: float = 300.0) -> Reservation | None:
        """Reserve the most urgent job of `queue` whose step is an agent's, for `lease` seconds.

        Waits up to `wait` seconds for one to come; None where none has. Where the answer is lost on its way,
        a job may stay reserved for nobody until its lease has run out.
        """
        deadline = time.monotonic() + wait
        while True:
            turn = min(max(deadline - time.monotonic(), 0.0), LONGEST_WAIT)
            answer = self._wire.send(
                "POST",
                path("queues", queue, "reserve"),
                json={"wait": turn, "lease": lease},
                answer_seconds=turn + SLACK_SECONDS,
            )
            if answer is not None:
                return record(Reservation, answer | {"wire": self._wire})
            if time.monotonic() >= deadline:
                return None

    def _listed(
        self, address: str, name: str, kind: type[Record], limit: int | None, **query: Any
    ) -> Iterator[Record]:
        size = PAGE if limit is None else min(limit, PAGE)
        documents = self._wire.pages(address, name, limit=max(size, 1), **query)
        return (record(kind, document) for document in itertools.islice(documents, limit))


@dataclass(frozen=True, slots=True)
class Reservation(ReservedJob):
    """A job that an agent has to itself until `lease_until`, unless it is extended."""

    wire: Wire = field(repr=False, compare=False)

    def extend(self, lease: float = 300.0) -> datetime:
        """Keep it for `lease` seconds from now; return until when. Raises Conflict where it holds no more."""
        answer = self.wire.post(path("reservations", self.id, "extend"), {"lease": lease})
        return datetime.fromisoformat(answer["leaseUntil"])

    def report(
        self,
        status: Literal["done", "failed", "retry"],
        *,
        result: Any = None,
        outcome: str | None = None,
        skip_to: str | None = None,
        reason: str | None = None,
        retry_after: float | None = None,
    ) -> str:
        """Report the step and return the job's status now.

        `done` takes a result, an outcome and a later step to go on with; `failed` and `retry` (in
        `retry_after` seconds) want a reason. Raises Conflict where the reservation holds no more: nothing
        was recorded then, unless an earlier report was, whose answer was lost.
        """
        said = {"status": status, "result": result, "outcome": outcome, "skipTo": skip_to}
        said |= {"reason": reason, "retryAfter": retry_after}
        document = {name: value for name, value in said.items() if value is not None}
        return str(self.wire.post(path("reservations", self.id, "report"), document)["status"])
