"""The calls of `ActClient` for schedules."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from hms_oms.api.codec import record, stamp
from hms_oms.api.http import Client, path
from hms_oms.documents.schedules import CalendarEntry, Schedule, ScheduleRun, ScheduleWithRuns


class ScheduleCalls(Client):
    """What starts by itself: add schedules, read them, run and pause them."""

    def add_schedule(
        self,
        name: str,
        job_type: str,
        cron: str,
        *,
        payload: Mapping[str, Any] | None = None,
        source: str | None = None,
        reason: str | None = None,
        **rules: Any,
    ) -> Schedule:
        """Add a schedule that starts one job with `payload`, or the cycle of the files of `source`.

        `rules` are its `timezone`, `calendar`, `slaMinutes`, `catchUp`, `catchUpHours`, `overlap` and
        `missingAfterMinutes`. Raises InvalidRequest with every fault, and Conflict if the name is taken.
        """
        document = {"name": name, "jobType": job_type, "cron": cron, "payload": payload, "source": source}
        given = {key: value for key, value in (document | rules).items() if value is not None}
        return record(Schedule, self._wire.post("/schedules", given | _why(reason)))

    def schedules(self) -> list[Schedule]:
        """The schedules, by name, each with its next runs and its last one."""
        return [record(Schedule, schedule) for schedule in self._wire.get("/schedules")["schedules"]]

    def schedule(self, name: str) -> ScheduleWithRuns:
        """One schedule with its latest runs. Raises NotFound."""
        return record(ScheduleWithRuns, self._wire.get(path("schedules", name)))

    def run_schedule(self, name: str, *, reason: str | None = None) -> ScheduleRun:
        """Run a schedule now; the dispatcher does it within seconds. Raises NotFound."""
        return record(ScheduleRun, self._wire.post(path("schedules", name, "run"), _why(reason)))

    def skip_schedule(self, name: str, *, reason: str | None = None) -> ScheduleRun:
        """Wait no longer for the file of the run that is due. Raises Conflict if none waits."""
        return record(ScheduleRun, self._wire.post(path("schedules", name, "skip"), _why(reason)))

    def pause_schedule(self, name: str, *, reason: str | None = None) -> Schedule:
        """Have nothing of a schedule be due until it is resumed. Raises NotFound."""
        return record(Schedule, self._wire.post(path("schedules", name, "pause"), _why(reason)))

    def resume_schedule(self, name: str, *, reason: str | None = None) -> Schedule:
        """Go on with a schedule from its next run on. Raises NotFound."""
        return record(Schedule, self._wire.post(path("schedules", name, "resume"), _why(reason)))

    def remove_schedule(self, name: str, *, reason: str | None = None) -> Schedule:
        """Remove a schedule. Raises Conflict for one that stands in a recipe."""
        return record(Schedule, self._wire.post(path("schedules", name, "remove"), _why(reason)))

    def calendar(self, since: datetime | None = None, until: datetime | None = None) -> list[CalendarEntry]:
        """The runs that were and those that are planned in a time; without one those of this week."""
        query = {"from": since and stamp(since), "to": until and stamp(until)}
        entries = self._wire.get("/calendar", **query)["entries"]
        return [record(CalendarEntry, entry) for entry in entries]


def _why(reason: str | None) -> dict[str, str]:
    return {} if reason is None else {"reason": reason}
