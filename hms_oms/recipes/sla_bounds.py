"""The shortest and the longest SLA, wherever one is given: API, command line, pages, recipes."""

from __future__ import annotations

#: Less than this nobody can hold: it is over before a message has reached a worker; in minutes.
LEAST_MINUTES = 0.01
#: A year, in minutes.
MOST_MINUTES = 525600.0
#: What an SLA is, for those who have given none.
WORDS = f"a number of minutes from {LEAST_MINUTES:g} to {MOST_MINUTES:.0f}"
