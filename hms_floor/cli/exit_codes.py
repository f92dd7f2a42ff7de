"""Exit codes of `hms`: the one table, from which the help and the README are made."""

from __future__ import annotations

from collections.abc import Mapping

OK = 0
ERROR = 1
USAGE = 2
#: No badge, or one that does not allow it.
REFUSED = 3
NOT_FOUND = 4
AT_RISK = 5
#: Of several rows or jobs some were not taken or changed ...
SOME_LEFT = 6
#: ... or none was.
ALL_LEFT = 7
#: `cycle run` has begun nothing: it asks first.
ASKS_FIRST = 8
#: A restored ledger has something to take up again.
TAKEN_UP = 9
#: Ctrl-C, as shells tell it.
INTERRUPTED = 130

MEANINGS: Mapping[int, str] = {
    OK: "all is well",
    ERROR: "something failed, or is not well (`hms check`, `hms ops status`, a job of `cycle run` not done)",
    USAGE: "the call was wrong",
    REFUSED: "no badge, or one that does not allow it",
    NOT_FOUND: "there is no such thing",
    AT_RISK: "something is late or at risk of it (`hms sla at-risk`)",
    SOME_LEFT: "some were left: rows of `cycle run` refused or differing, jobs named to a verb not changed",
    ALL_LEFT: "all were left: every row refused or differing, no job that was named changed",
    ASKS_FIRST: "nothing was started: one reason would refuse most rows of `cycle run` (`--accept-refusals`)",
    TAKEN_UP: "after a restore or a loss of Redis something is still to be taken up (`hms db restore-check`)",
    INTERRUPTED: "ended by Ctrl-C",
}


def of_parts(left: int, whole: int) -> int:
    """The code of something done to `whole` rows or jobs, of which so many were left as they were."""
    if not left:
        return OK
    return SOME_LEFT if left < whole else ALL_LEFT


def help_text() -> str:
    """The table at the end of `hms --help`."""
    lines = [f"{code:>5}  {meaning.replace('`', '')}" for code, meaning in MEANINGS.items()]
    return "\n".join(["\b", "Exit codes:", *lines])


def markdown() -> str:
    """The table of the README."""
    return "\n".join(
        ["| exit code | meaning |", "|---|---|"]
        + [f"| {code} | {meaning} |" for code, meaning in MEANINGS.items()]
    )
