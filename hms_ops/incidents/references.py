"""Short names for incidents, as K7: said over the phone, typed into an answer.

A letter and a digit, without those that are read as another, as 0 and O; three signs where the 160 of two run
short. A sequence deals them out in turn, so that evaluators that race do not meet, and a reference rests for
a day after its incident was resolved: a late answer must not hit another incident.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

#: How long a reference rests after its incident was resolved.
REST = timedelta(days=1)

_LETTERS = "ACDEFGHJKMNPQRTUVWXY"
_DIGITS = "23456789"
_PAIRS = len(_LETTERS) * len(_DIGITS)
# No factor in common with the count: every pair comes up once a round, and neighbours do not look alike.
_STRIDE = 67


def fresh(connection: Connection, now: datetime) -> str:
    """A reference that no incident has which is not resolved, and none has had for a day."""
    taken = set(connection.scalars(text(_TAKEN), {"since": now - REST}))
    for _ in range(_PAIRS):
        number = connection.execute(text("select nextval('ops.incident_references')")).scalar_one()
        letter, digit = divmod(number * _STRIDE % _PAIRS, len(_DIGITS))
        reference = _LETTERS[letter] + _DIGITS[digit]
        if reference not in taken:
            return reference
    return _longer(taken, int(number))


def _longer(taken: Collection[str], number: int) -> str:
    pairs = [letter + digit for letter in _LETTERS for digit in _DIGITS]
    signs = _DIGITS + _LETTERS
    free = (pair + sign for sign in signs for pair in pairs if pair + sign not in taken)
    # Beyond some 4,600 at once a number does: it is long, but it is a name.
    return next(free, f"X{number}")


_TAKEN = """
select reference from ops.incidents where state <> 'resolved' and reference is not null
union
select reference from ops.incidents where state = 'resolved' and resolved_at > :since
"""
