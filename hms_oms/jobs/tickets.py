"""Tickets: all that a message carries is job id, attempt and step, as in `job-219.1.inspect`."""

from __future__ import annotations

import re
from typing import NamedTuple

_TICKET = re.compile(r"job-([1-9][0-9]{0,17})\.([1-9][0-9]{0,8})\.([a-z][a-z0-9_-]{0,62})")
_JOB = re.compile(r"(?:job-)?([1-9][0-9]{0,17})")


class Ticket(NamedTuple):
    """The right to run one step of one job once: it is good only while the ledger says the same."""

    job: int
    attempt: int
    step: str

    def __str__(self) -> str:
        return f"job-{self.job}.{self.attempt}.{self.step}"

    @classmethod
    def parse(cls, text: str) -> Ticket:
        """Read `job-219.1.inspect`. Raises ValueError for anything else."""
        match = _TICKET.fullmatch(text)
        if not match:
            raise ValueError(f"not a ticket: {text!r}")
        return cls(int(match[1]), int(match[2]), match[3])


def job_number(text: str) -> int:
    """Read a job id as people write it: `job-219` or `219`. Raises ValueError for anything else."""
    match = _JOB.fullmatch(text.strip())
    if not match:
        raise ValueError(f"not a job id: {text!r} (write job-219 or 219)")
    return int(match[1])


def job_name(job: int) -> str:
    """How a job id is shown: `job-219`."""
    return f"job-{job}"
