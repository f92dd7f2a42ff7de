"""A finding: a rule that holds, with the numbers that it was judged by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: A rule, the queue that it is about (None: the whole floor), and a subject within it.
Key = tuple[str, str | None, str | None]


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule holds for a queue (None: for the whole floor) or a subject within it, as a host.

    `value` is what the rule compares, in the rule's unit, and the higher the worse: the worst one is kept on
    the incident. `facts` are
    JSON values for those who phrase it. `late_jobs` counts the jobs concerned, where there are any.
    """

    rule: str
    queue: str | None
    value: float
    subject: str | None = None
    late_jobs: int = 0
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """Key by which findings belong to the same incident."""
        return self.rule, self.queue, self.subject
