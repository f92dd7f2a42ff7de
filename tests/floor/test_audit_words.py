"""What a line of the audit trail says, in words."""

from __future__ import annotations

from typing import Any

import pytest

from hms_floor.presentation import audit_words


@pytest.mark.parametrize(
    ("detail", "words"),
    [
        (None, ""),
        ({"before": 60.0, "minutes": 5, "dryRun": False}, "minutes 5, until then 60"),
        ({"window": None, "startsPerMinute": 60}, "starts a minute 60"),
        ({"window": 8, "startsPerMinute": None}, "window 8, no limit of starts a minute"),
        (
            {
                "jobs": 598,
                "action": "cancel",
                "filter": {"queue": "shop", "status": ["open"], "createdTo": "2026-11-29T10:55:45.061Z"},
            },
            "action cancel, jobs 598, filter: queue shop, status open, created to 10:55",
        ),
        (
            {"ids": [f"job-{number}" for number in range(1, 599)], "acceptRefusals": True},
            "accept refusals yes, ids job-1 job-2 job-3 and 595 more",
        ),
        ({"restored": 2, "left": {}, "ids": []}, "restored 2"),
    ],
)
def test_a_detail_is_told_in_words(detail: dict[str, Any] | None, words: str) -> None:
    """No braces, never a list of hundreds, times by the reader's clock; what was lifted is said."""
    assert audit_words.detail(detail, lambda when: f"{when:%H:%M}") == words
