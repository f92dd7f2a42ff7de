"""Search: jobs are found by parts of the words that their recipes show, case and accents aside.

The words of a job are written as it is accepted, from the payload fields in `show` of its recipe and its key.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from anyascii import anyascii
from sqlalchemy import BigInteger, ColumnElement, Connection, Select, false, literal, select

from hms_oms.database import array_literals, statements
from hms_oms.database.schema.tables import job_search, jobs
from hms_oms.jobs.records import Accepted
from hms_oms.recipes.recipes import Recipe

#: A shorter word would be in nearly every job, and the index knows none.
SHORTEST = 3
#: Of the jobs that have the words only so many are looked at, the newest ones.
MOST_MATCHES = 1000
#: What is longer is not found by its end, in characters.
LONGEST_WORDS = 2000

_LEAST_DIGITS = 7
_JOB = re.compile(r"(?:job-)?([0-9]{1,18})")
_PHONE = re.compile(r"[\d\s()+./-]+")


class TooShort(ValueError):
    """No word of a search is long enough to look for."""


def folded(text: str) -> str:
    """The text in small letters of ASCII: `Zoë`, `ZOE` and `zoe` are the same, and so are `ł` and `l`."""
    return (text if text.isascii() else anyascii(text)).lower()


def words_of(recipe: Recipe, payload: Mapping[str, Any], key: str | None) -> str:
    """The words by which a job is found; empty if its recipe shows nothing."""
    if not recipe.show:
        return ""
    values = list(_values([payload.get(name) for name in recipe.show]))
    values += [key] if key is not None else []
    # A phone is found however it is written.
    numbers = [digits for value in values if len(digits := re.sub(r"\D", "", value)) >= _LEAST_DIGITS]
    return folded(" ".join(dict.fromkeys([*values, *numbers])).replace("\0", ""))[:LONGEST_WORDS]


def _values(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, int | float):
        yield str(int(value) if isinstance(value, float) and value.is_integer() else value)
    else:
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _values(item)


def terms(text: str) -> list[str]:
    """The words of a search, or the number of a job. Raises TooShort."""
    if _JOB.fullmatch(text.strip().lower()):
        return [text.strip().lower()]
    digits = re.sub(r"\D", "", text)
    if _PHONE.fullmatch(text) and len(digits) >= _LEAST_DIGITS:
        return [digits]
    words = list(dict.fromkeys(folded(text).split()))
    if not any(len(word) >= SHORTEST for word in words):
        raise TooShort(f"needs a word of at least {SHORTEST} characters")
    return words


def matching(words: Sequence[str]) -> ColumnElement[bool]:
    """The condition that a job is among the newest that have all these words, or has the number."""
    newest = _having(words).order_by(job_search.c.job_id.desc()).limit(MOST_MATCHES).subquery()
    meant = select(newest.c.job_id)
    job = _JOB.fullmatch(words[0]) if len(words) == 1 else None
    if job is None:
        return jobs.c.id.in_(meant)
    return jobs.c.id.in_(meant.union_all(select(literal(int(job[1]), BigInteger))))


def has_more(connection: Connection, words: Sequence[str]) -> bool:
    """Whether more jobs have all these words than are looked at."""
    return bool(words) and connection.scalar(_having(words).offset(MOST_MATCHES).limit(1)) is not None


def _having(words: Sequence[str]) -> Select[int]:
    # A word that is too short for the index only narrows what longer ones match.
    long = any(len(word) >= SHORTEST for word in words)
    conditions = [job_search.c.words.contains(word, autoescape=True) for word in words] if long else [false()]
    return select(job_search.c.job_id).where(*conditions)


def keep(
    connection: Connection,
    recipe: Recipe,
    payloads: Sequence[Mapping[str, Any]],
    keys: Sequence[str | None],
    accepted: Accepted,
) -> None:
    """Write the words of the jobs that were made of these requests."""
    if not recipe.show:
        return
    asked = list(zip(keys, payloads, strict=True))
    by_key = {key: payload for key, payload in reversed(asked) if key is not None}
    without_key = iter([payload for key, payload in asked if key is None])
    words = [
        words_of(recipe, next(without_key) if key is None else by_key[key], key) for key in accepted.keys
    ]
    rows = {"jobs": array_literals.literal(accepted.jobs), "words": array_literals.literal(words)}
    statements.run(connection, "make_searchable", rows)
