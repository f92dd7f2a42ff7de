"""The ids of a job's trace and its spans: made from its number, so that nobody need keep them."""

from __future__ import annotations

import hashlib


def trace_id(installation: str, job: int) -> int:
    """The trace of a job; `installation` tells the jobs of two ledgers apart."""
    return _digest(16, installation, str(job))


def span_id(installation: str, job: int, *words: object) -> int:
    """A span of a job's trace: the job itself, or what `words` name, as ("step", attempt, name)."""
    return _digest(8, installation, str(job), *map(str, words))


def _digest(size: int, *words: str) -> int:
    digest = hashlib.blake2b("\0".join(words).encode(), digest_size=size).digest()
    return int.from_bytes(digest) or 1
