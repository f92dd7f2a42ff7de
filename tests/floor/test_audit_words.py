"""What a line of the audit trail says, in words."""

from __future__ import annotations

from typing import Any

import pytest

from hms_floor.presentation import audit_words


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        (None, ""),
        ({"before": 60.0, "minutes": 5, "dryRun": False}, "before 60, minutes 5"),
        ({"window": None, "startsPerMinute": 60}, "starts a minute 60"),
        ({"window": 8, "startsPerMinute": None}, "window 8, no limit of starts a minute"),
        (
            {"action": "cancel", "jobs": 598, "filter": {"queue": "shop", "status": ["open"]}},
            "action cancel, jobs 598, filter: queue shop, status open",
        ),
        (
            {"ids": [f"job-{number}" for number in range(1, 599)], "acceptRefusals": True},
            "ids job-1 job-2 job-3 and 595 more, accept refusals yes",
        ),
        ({"restored": 2, "left": {}, "ids": []}, "restored 2"),
    ],
)
def test_a_detail_is_told_in_words(detail: dict[str, Any] | None, words: str) -> None:
    """No braces, no quotes, never a list of hundreds; what was lifted is said."""
    assert audit_words.detail(detail) == words
