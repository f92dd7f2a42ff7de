"""Search: jobs are found by parts of the words that their recipes show, case and accents aside.

The words of a job are written as it is accepted, from the payload fields in `show` of its recipe and its key.
They are found at once: those that the index does not have yet are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from anyascii import anyascii
from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Select,
    Table,
    false,
    literal,
    or_,
    select,
    union_all,
)

from hms_oms.database import array_literals, statements
from hms_oms.database.schema.tables import job_search, jobs, unindexed_words
from hms_oms.recipes.recipes import Recipe

#: A shorter word would be in nearly every job, and the index knows none.
SHORTEST = 3
#: Of the jobs that have the words only so many are looked at, the newest ones.
MOST_MATCHES = 1000
#: What is longer is not found by its end, in characters.
LONGEST_WORDS = 2000
#: Jobs whose words are put into the index in one transaction.
BITE = 1000

_LEAST_DIGITS = 7
_JOB = re.compile(r"(?:job-)?([0-9]{1,18})")
_PHONE = re.compile(r"[\d\s()+./-]+")
_NO_DIGITS = re.compile(r"\D+")


class TooShort(ValueError):
    """No word of a search is long enough to look for."""


def folded(text: str) -> str:
    """The text in small letters of ASCII: `Zoë`, `ZOE` and `zoe` are the same, and so are `ł` and `l`."""
    return (text if text.isascii() else anyascii(text)).lower()


def words_of(recipe: Recipe, payload: Mapping[str, Any], key: str | None) -> str:
    """The words by which a job is found; empty if its recipe shows nothing."""
    if not recipe.show:
        return ""
    values: list[str] = []
    for name in recipe.show:
        value = payload.get(name)
        values.extend((value,) if type(value) is str else _values(value))
    if key is not None:
        values.append(key)
    numbers = []
    for place, value in enumerate(values):
        # A phone is found however it is written: it is kept as its digits, and so is what looks like one.
        if not value.isdecimal() and len(digits := _NO_DIGITS.sub("", value)) >= _LEAST_DIGITS:
            if _PHONE.fullmatch(value):
                values[place] = digits
            else:
                numbers.append(digits)
    return folded(" ".join(dict.fromkeys(values + numbers)).replace("\0", ""))[:LONGEST_WORDS]


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
    digits = _NO_DIGITS.sub("", text)
    if _PHONE.fullmatch(text) and len(digits) >= _LEAST_DIGITS:
        return [digits]
    words = list(dict.fromkeys(folded(text).split()))
    if not any(len(word) >= SHORTEST for word in words):
        raise TooShort(f"needs a word of at least {SHORTEST} characters")
    return words


def matching(words: Sequence[str]) -> ColumnElement[bool]:
    """The condition that a job is among the newest that have all these words, or has the number."""
    having = _having(words)
    newest = having.order_by(having.selected_columns.job_id.desc()).limit(MOST_MATCHES).subquery()
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
    places = [
        select(table.c.job_id).where(*(_contains(table, word) for word in words) if long else (false(),))
        for table in (job_search, unindexed_words)
    ]
    return select(union_all(*places).subquery().c.job_id)


def _contains(table: Table, word: str) -> ColumnElement[bool]:
    """The condition that a job has this word; a part of a phone is among its digits, too."""
    digits = _NO_DIGITS.sub("", word)
    forms = (
        [word, digits] if digits != word and len(digits) >= SHORTEST and _PHONE.fullmatch(word) else [word]
    )
    return or_(*(table.c.words.contains(form, autoescape=True) for form in forms))


def keep(
    connection: Connection,
    words: Sequence[str],
    keys: Sequence[str | None],
    jobs: Sequence[int],
    accepted: Sequence[str | None],
) -> None:
    """Write the words of `jobs`, whose keys are `accepted`, made of requests with these `keys`."""
    if not words or not jobs:
        return
    asked = list(zip(keys, words, strict=True))
    by_key = {key: text for key, text in reversed(asked) if key is not None}
    without_key = iter([text for key, text in asked if key is None])
    texts = [next(without_key) if key is None else by_key[key] for key in accepted]
    rows = {"jobs": array_literals.literal(jobs), "words": array_literals.literal(texts)}
    statements.run(connection, "make_searchable", rows)


def index(connection: Connection) -> bool:
    """Put words of new jobs into the index; whether there may be more."""
    [moved] = statements.run(connection, "index_words", {"count": BITE})
    return bool(moved["number"] == BITE)
