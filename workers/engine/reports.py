"""Reports: steps that have ended are recorded in the ledger, all that are there at a time, and jobs go on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from hms_oms.jobs.records import Completion, Progress
from workers.claiming import continuing
from workers.claiming.continuing import Following, Reported
from workers.claiming.ledger_session import LedgerSession
from workers.engine.handled import HandledStep
from workers.engine.piles import Pile

log = logging.getLogger(__name__)

#: At its end a worker takes this long, in seconds, for what it still has to report.
FINISH_SECONDS = 10.0


class Ended(NamedTuple):
    """A step that has ended and is to be reported, with what Celery's tracer says of it."""

    request: HandledStep
    reported: Reported
    traced: tuple[int, Any, float]


class Reports:
    """What has ended and is not reported yet, and chains of which the rest is not published.

    `follow` is called with a step and the one that is claimed to come after it, `free` with a step whose job
    does not go on here; `linger` says for how many seconds to wait for more reports.
    """

    def __init__(
        self,
        app: Any,
        session: LedgerSession,
        *,
        free: Callable[[HandledStep], None],
        follow: Callable[[HandledStep, HandledStep], None],
        linger: Callable[[int], float],
    ) -> None:
        self._app, self._session = app, session
        self._free, self._follow = free, follow
        self._ended: Pile[Ended] = Pile("reports", self._record, linger)
        self._advanced: Pile[tuple[HandledStep, list[Any]]] = Pile("chains", self._publish)

    def put(self, ended: Ended) -> None:
        """Have a step reported as done; returns at once."""
        self._ended.put(ended)

    def finish(self) -> bool:
        """Report what has ended, and publish what follows; whether all could be."""
        return self._ended.finish(FINISH_SECONDS) and self._advanced.finish(FINISH_SECONDS)

    def _record(self, ended: Sequence[Ended]) -> None:
        try:
            reports = [self._with_lease(item) for item in ended]
            answers = self._session.record(reports)
        except Exception:
            log.exception("%d steps could not be reported", len(ended))
            for item in ended:
                item.request.give_back("its worker could not report it")
            return
        for item, report, made in zip(ended, reports, answers, strict=True):
            try:
                self._proceed(item, report, made)
            except Exception:
                log.exception("%s was reported, and could not be left", item.request.id)
                self._free(item.request)

    def _with_lease(self, item: Ended) -> Completion:
        recipe = self._session.recipe(item.request.granted.recipe_id)
        return continuing.with_lease(item.reported.completion, self._app, recipe, item.reported.links)

    def _proceed(self, item: Ended, report: Completion, made: Progress | Exception | None) -> None:
        request, links = item.request, item.reported.links
        if isinstance(made, Exception):
            request.refused(made, self._session)
        elif made is None:
            log.info("%s was reported too late: the ledger has moved on", request.id)
            request.ignore()
        elif made.status == "running":
            recipe = self._session.recipe(request.granted.recipe_id)
            sent_at = self._session.reports_sent_at
            following = request.follow(Following.after(request.granted, report, made, recipe, links, sent_at))
            request.succeeded(item.traced)
            following.announce()
            self._follow(request, following)
            return
        else:
            request.succeeded(item.traced)
            if made.status == "queued":
                log.debug("%s is followed by a message", request.id)
                self._advanced.put((request, list(links)))
        self._free(request)

    def _publish(self, advanced: Sequence[tuple[HandledStep, list[Any]]]) -> None:
        """Publish what is left of chains, as Celery does when a task returns."""
        for request, links in advanced:
            try:
                link = links.pop()
                self._app.tasks[link["task"]].apply_async(
                    **link["options"], chain=links, root_id=request.root_id, parent_id=request.id
                )
            except Exception:
                log.exception("what follows %s was not published: recovery does it", request.id)
