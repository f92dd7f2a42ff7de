"""Client for HMS-ACT: start jobs and cycles, steer them, and set the limits of a queue."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Literal

from hms_act.queues.queue_client import QueueCalls
from hms_act.schedules.schedule_client import ScheduleCalls
from hms_oms.api.codec import record, stamp
from hms_oms.api.filter import Filter
from hms_oms.api.http import path
from hms_oms.documents.cycles import AcceptedCycle, CyclePreview
from hms_oms.documents.foresight import Quoted
from hms_oms.documents.jobs import BulkDone, Change, Job, SignalledJob, Started, SteeredJob, Undone

Action = Literal["cancel", "retry", "reinstate", "promote", "move", "priority", "delay"]

#: A file goes out in pieces of so many bytes.
CHUNK = 1 << 18
#: Seconds that the API may take for the last rows of a file, or for very many jobs.
PATIENCE_SECONDS = 300.0
#: The API takes a file's lines for JSON if its name ends so, else for CSV.
_NDJSON = (".ndjson", ".jsonl")


class ActClient(ScheduleCalls, QueueCalls):
    """Client that starts and steers jobs, cycles, queues and schedules.

    Nothing here is repeated once the API may have begun with it: Unavailable with `maybe_done` leaves that
    to the caller. The exception is `start_job` with a `key`, which leads to one job however often it is sent;
    no key is made up, because a job shows its key. All methods raise ApiError: Unauthorized, Forbidden,
    NotFound, Conflict, InvalidRequest, TooManyRequests, Unavailable.
    """

    def start_job(
        self,
        job_type: str,
        payload: Mapping[str, Any],
        *,
        sla_minutes: float | None = None,
        key: str | None = None,
        priority: int = 0,
        not_before: datetime | None = None,
        supersede: bool = False,
        must: bool | None = None,
    ) -> Started:
        """Start one job, due in `sla_minutes` instead of its queue's SLA.

        Asking again with the same key gives the same job, or, if that was cancelled, a new one that refers to
        it. With `supersede` a job that has the key and other content, and has not begun, is cancelled. What
        `must` be on time is never given up for others; if that is None the recipe says so. Raises
        InvalidRequest with every fault of the payload, and Conflict with the fields in which that job
        differs.
        """
        document: dict[str, Any] = {"jobType": job_type, "payload": payload, "priority": priority}
        document |= _given(
            slaMinutes=sla_minutes, key=key, notBefore=not_before and stamp(not_before), must=must
        )
        document |= {"supersede": True} if supersede else {}
        return record(Started, self._wire.post("/jobs", document, safe=key is not None))

    def quote(
        self,
        job_type: str,
        payload: Mapping[str, Any],
        *,
        sla_minutes: float | None = None,
        priority: int = 0,
        must: bool | None = None,
    ) -> Quoted:
        """Quote what `start_job` would start: whether its deadline holds; nothing is started.

        Raises InvalidRequest with every fault of the payload.
        """
        document: dict[str, Any] = {"jobType": job_type, "payload": payload, "priority": priority}
        document |= _given(slaMinutes=sla_minutes, must=must)
        return record(
            Quoted, self._wire.send("POST", "/jobs", query={"quote": "true"}, json=document, safe=True)
        )

    def run_cycle(
        self,
        file: str | Path | IO[bytes],
        job_type: str,
        *,
        sla_minutes: float | None = None,
        name: str | None = None,
        supersede: bool = False,
        must: bool | None = None,
        accept_refusals: bool = False,
    ) -> AcceptedCycle:
        """Send a file of requests and return once every row of it is a job, known already, or refused.

        CSV with a header, or one JSON object a line where the name ends in .ndjson or .jsonl. `name` is what
        the cycle is called, the file's name if there is none. Where sending breaks off, what had arrived is
        accepted: the same file may be sent again, for what has a key is accepted once. With `supersede` a row
        replaces the job that has its key and other content, if that has not begun. Its jobs are never given
        up for others if they `must` be on time; None: if the recipe says so. Raises Conflict,
        and nothing is started, if one reason would refuse more than half of the rows, unless with
        `accept_refusals`.
        """
        asked = _given(jobType=job_type, slaMinutes=sla_minutes, name=name)
        asked |= {"acceptRefusals": "true"} if accept_refusals else {}
        asked |= _superseding(supersede) | ({} if must is None else {"must": "true" if must else "false"})
        return record(AcceptedCycle, self._send_file("/cycles", file, asked))

    def preview_cycle(
        self,
        file: str | Path | IO[bytes],
        job_type: str,
        *,
        sla_minutes: float | None = None,
        name: str | None = None,
        keep: bool = False,
    ) -> CyclePreview:
        """Preview `run_cycle` for a file; nothing is changed.

        With `keep` the file is kept for a while, and `start_upload` starts the same bytes.
        """
        asked = _given(jobType=job_type, slaMinutes=sla_minutes, name=name, keep="true" if keep else None)
        return record(CyclePreview, self._send_file("/cycles/preview", file, asked))

    def start_upload(self, upload: str, *, supersede: bool = False) -> AcceptedCycle:
        """Start a file that a preview has kept. Raises NotFound if it was started, or its time is over."""
        address = path("cycles", "uploads", upload, "start")
        answer = self._wire.send(
            "POST", address, query=_superseding(supersede), answer_seconds=PATIENCE_SECONDS
        )
        return record(AcceptedCycle, answer)

    def discard_upload(self, upload: str) -> None:
        """Delete a file that a preview has kept. Raises NotFound."""
        self._wire.send("POST", path("cycles", "uploads", upload, "discard"))

    def cancel(self, job: str, *, now: bool = False, reason: str | None = None) -> SteeredJob:
        """Cancel a job; one that runs ends with its step, or at once with `now`."""
        return self._steer(job, "cancel", reason, now=now)

    def retry(self, job: str, *, reason: str | None = None) -> SteeredJob:
        """Have a failed job tried again, from the step that failed."""
        return self._steer(job, "retry", reason)

    def reinstate(self, job: str, *, reason: str | None = None) -> SteeredJob:
        """Have a cancelled job done after all, from the step at which it stood. Its deadline stays.

        Raises Conflict, naming the job, if a newer one has its key.
        """
        return self._steer(job, "reinstate", reason)

    def promote(self, job: str, *, reason: str | None = None) -> SteeredJob:
        """Put a job in front of everything that waits in its queue."""
        return self._steer(job, "promote", reason)

    def move(self, job: str, queue: str, *, reason: str | None = None) -> SteeredJob:
        """Move a job that has not begun its step to another queue."""
        return self._steer(job, "move", reason, queue=queue)

    def priority(self, job: str, priority: int, *, reason: str | None = None) -> SteeredJob:
        """Set a job's priority, from -1000 to 1000: the higher goes first, whatever the deadlines."""
        return self._steer(job, "priority", reason, priority=priority)

    def delay(self, job: str, until: datetime | None, *, reason: str | None = None) -> SteeredJob:
        """Start a job no earlier than `until`; None takes a delay away. Its deadline stays."""
        return self._steer(job, "delay", reason, notBefore=until and stamp(until))

    def hold(self, job: str, *, reason: str | None = None) -> Job:
        """Stop the clock of a job until the applicant answers; it is not handed out meanwhile, and not late.

        Raises Conflict if it runs, has ended, waits for an event or is held already.
        """
        return record(Job, self._wire.post(path("jobs", job, "hold"), _given(reason=reason)))

    def answer(self, job: str, *, reason: str | None = None) -> Job:
        """Let a job go on that was held; its deadline is later by the time that its clock has stood."""
        return record(Job, self._wire.post(path("jobs", job, "answer"), _given(reason=reason)))

    def bulk(
        self,
        action: Action,
        jobs: Filter | Sequence[str],
        *,
        dry_run: bool = False,
        forecast: bool = True,
        reason: str | None = None,
        count: int | None = None,
        now: bool = False,
        queue: str | None = None,
        priority: int | None = None,
        until: datetime | None = None,
    ) -> BulkDone:
        """Do to many jobs, named or meant by a filter, what `action` does to one.

        With `dry_run` they are only counted, and with `forecast` the effects on others are told.

        More than a hundred are changed only with a reason, and with `count` as the dry run tells it in
        `able`. `now` goes with cancel, `queue` with move, `priority` with priority, `until` with delay.
        Raises NotFound if one that is named does not exist, InvalidRequest if a reason or count is missing,
        and Conflict if the count is wrong; then nothing is changed.
        """
        document: dict[str, Any] = {"action": action, "dryRun": dry_run, "forecast": forecast}
        document |= _given(reason=reason, count=count)
        if isinstance(jobs, Filter):
            document["filter"] = jobs.document()
        else:
            document["ids"] = list(jobs)
        more: dict[str, dict[str, Any]] = {
            "cancel": {"now": now},
            "move": {"queue": queue},
            "priority": {"priority": priority},
            "delay": {"notBefore": until and stamp(until)},
        }
        answer = self._wire.send(
            "POST",
            "/jobs/bulk",
            json=document | more.get(action, {}),
            safe=dry_run,
            answer_seconds=PATIENCE_SECONDS,
        )
        return record(BulkDone, answer)

    def changes(self) -> list[Change]:
        """Changes that can still be undone, newest first: the caller's own, for a manager everybody's."""
        return [record(Change, change) for change in self._wire.get("/changes")["changes"]]

    def undo(self, change: int, *, reason: str | None = None) -> Undone:
        """Undo a change as far as nobody has changed the same since.

        Raises Conflict, saying why, if its time is over or nothing of it can be undone.
        """
        return record(Undone, self._wire.post(path("changes", change, "undo"), _given(reason=reason)))

    def _send_file(self, address: str, file: str | Path | IO[bytes], asked: dict[str, Any]) -> Any:
        if isinstance(file, str | Path):
            with Path(file).open("rb") as stream:
                return self._send_file(address, stream, asked)
        called = asked.get("name") or Path(str(getattr(file, "name", "") or "stream")).name
        kind = "application/x-ndjson" if called.lower().endswith(_NDJSON) else "text/csv"
        return self._wire.send(
            "POST",
            address,
            query=asked | {"name": called},
            tries=1,
            answer_seconds=PATIENCE_SECONDS,
            content=_pieces(file),
            headers={"Content-Type": kind} | _length(file),
        )

    def signal(
        self, job: str, event: str, data: Mapping[str, Any] | None = None, *, reason: str | None = None
    ) -> SignalledJob:
        """Signal an event to a job: it goes on if it waits for it, and else once it does.

        `data` is the result of the step that waits. The same event again changes nothing, so this may be
        repeated. Raises Conflict if the job does not wait for the event any more.
        """
        asked = {"event": event} | _given(data=data, reason=reason)
        return record(SignalledJob, self._wire.post(path("jobs", job, "signal"), asked, safe=True))

    def _steer(self, job: str, action: Action, reason: str | None, **more: Any) -> SteeredJob:
        return record(SteeredJob, self._wire.post(path("jobs", job, action), more | _given(reason=reason)))


def _superseding(supersede: bool) -> dict[str, str]:
    return {"supersede": "true"} if supersede else {}


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _length(stream: IO[bytes]) -> dict[str, str]:
    """The length of what is to come, if the stream can tell: the API refuses at once what is too large."""
    if not stream.seekable():
        return {}
    here = stream.tell()
    length = stream.seek(0, os.SEEK_END) - here
    stream.seek(here)
    return {"Content-Length": str(length)}


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    while piece := stream.read(CHUNK):
        yield piece
