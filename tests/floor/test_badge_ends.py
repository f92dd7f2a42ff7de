"""A badge ends at a real moment, within a year: whatever else stands there is refused, and is no failure."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import jwt
import pytest

from hms_floor.auth import tokens
from hms_floor.auth.tokens import BadgeRefused
from hms_oms.runtime.settings import Settings


def signed(home: Path, **changes: Any) -> tuple[tokens.Checker, str]:
    """What checks badges, and a token with these claims."""
    settings = Settings(home=home)
    key = tokens.make_key(home)
    now = time.time()
    claims = {
        "iss": settings.badge_issuer,
        "aud": settings.badge_audience,
        "sub": "ann",
        "roles": ["viewer"],
        "jti": "1",
        "exp": now + 3600,
    }
    return tokens.checker(settings), jwt.encode({**claims, **changes}, key, algorithm="HS256")


@pytest.mark.parametrize(
    "end",
    [1e30, 10**400, 4e9, math.nan, math.inf, -math.inf, "9999999999", True, False, -5, 0, None, [], {}],
    ids=lambda end: repr(end)[:12],
)
def test_an_end_that_is_none_is_refused(tmp_path: Path, end: Any) -> None:
    """Numbers without an end, too far ahead, or of another kind."""
    checker, token = signed(tmp_path, exp=end)
    with pytest.raises(BadgeRefused):
        checker.check(token)


@pytest.mark.parametrize("name", ["nbf", "iat"])
@pytest.mark.parametrize(
    "moment", [1e30, 10**400, math.nan, math.inf, [], {}], ids=lambda item: repr(item)[:12]
)
def test_a_beginning_that_is_none_is_refused(tmp_path: Path, name: str, moment: Any) -> None:
    """The other times of a badge, too."""
    checker, token = signed(tmp_path, **{name: moment})
    with pytest.raises(BadgeRefused):
        checker.check(token)


def test_a_badge_for_a_year_is_the_longest(tmp_path: Path) -> None:
    """What `hms badge issue` may give at most is taken."""
    checker, token = signed(tmp_path, exp=int(time.time() + 3600 * tokens.MOST_HOURS))
    assert checker.check(token).actor == "ann"
