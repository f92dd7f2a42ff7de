"""Things done apart from each other: one that fails stops no other, and is told until it works again."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from hms_oms.daemon import leader_election
from hms_oms.database import connections

log = logging.getLogger(__name__)

#: So many failures are named; the rest are counted.
MOST_NAMED = 3
#: What has not been tried for so long, in seconds, is not told as failing any more.
REMEMBERED_SECONDS = 60.0


class Apart:
    """What a daemon does over and over, and which of it fails at present."""

    def __init__(self) -> None:
        #: By what failed: the kind of the error, and when it was last seen (monotonic seconds).
        self._failing: dict[str, tuple[str, float]] = {}

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Do `what`; an error ends only this block. It is logged when it is new, and so is its end.

        Raises what means that the database is gone or that another process leads: then nothing works.
        """
        try:
            yield
        except Exception as error:
            cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
            if connections.is_gone(cause) or leader_election.is_over(cause):
                raise
            kind = type(cause).__name__
            if what not in self._failing or self._failing[what][0] != kind:
                log.exception("%s failed; all else goes on", what)
            self._failing[what] = kind, time.monotonic()
        else:
            if self._failing.pop(what, None) is not None:
                log.info("%s works again", what)

    @property
    def words(self) -> str | None:
        """What fails now, for people; None if nothing does."""
        since = time.monotonic() - REMEMBERED_SECONDS
        self._failing = {what: failure for what, failure in self._failing.items() if failure[1] > since}
        if not self._failing:
            return None
        named = [f"{what} ({kind})" for what, (kind, _) in sorted(self._failing.items())]
        more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
        return f"{', '.join(named[:MOST_NAMED])}{more} failed: see its log"
