"""What a line of the audit trail says, in words."""

from __future__ import annotations

from typing import Any

import pytest

from hms_floor.api.access.roles import OPEN, TABLE
from hms_floor.presentation.audit import acts, details


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
    assert details.detail(detail, lambda when: f"{when:%H:%M}") == words


@pytest.mark.parametrize(
    ("action", "subject", "detail", "words"),
    [
        ("POST /jobs/{id}/cancel", "job-219", None, "cancelled job-219"),
        (
            "POST /queues/{queue}/limit",
            "farm-grant",
            {"window": None, "startsPerMinute": 40},
            "limited farm-grant to 40 a minute",
        ),
        (
            "POST /queues/{queue}/limit",
            "farm-grant",
            {"window": 8, "startsPerMinute": 40},
            "limited farm-grant to 40 a minute and a window of 8 jobs",
        ),
        (
            "POST /queues/{queue}/limit",
            "farm-grant",
            {"window": None, "startsPerMinute": None},
            "lifted the limits of farm-grant",
        ),
        (
            "POST /queues/{queue}/limit",
            "shop",
            {"window": 8, "startsPerMinute": 40, "atOnce": 1000},
            "limited shop to 40 a minute, 1,000 at once and a window of 8 jobs",
        ),
        (
            "POST /queues/{queue}/policy",
            "shop",
            {"before": "most-on-time", "policy": "fifo"},
            "put shop in order by the policy fifo (it was most-on-time)",
        ),
        (
            "PUT /queues/{queue}/calendar",
            "shop",
            {"before": "Mo 08:00-16:00 (UTC)", "calendar": "Mo-Fr 08:00-16:00 (UTC)"},
            "set the calendar of shop to Mo-Fr 08:00-16:00 (UTC); it was Mo 08:00-16:00 (UTC)",
        ),
        (
            "PUT /queues/{queue}/calendar",
            "shop",
            {"before": None, "calendar": None},
            "took the calendar from shop",
        ),
        (
            "PUT /queues/{queue}/sla",
            "shop",
            {"before": 60.0, "minutes": 5},
            "set the SLA of shop to 5 min (it was 60 min)",
        ),
        ("POST /jobs/{id}/hold", "job-1", None, "held job-1 until the applicant answers"),
        (
            "POST /jobs/{id}/answer",
            "job-1",
            {"deadline": "2026-11-29T10:55:00Z"},
            "let job-1 go on after an answer, due 10:55",
        ),
        ("POST /jobs/bulk", None, {"action": "cancel", "jobs": 598}, "cancelled 598 jobs"),
        ("POST /jobs/bulk", None, {"action": "priority", "jobs": 1}, "changed the priority of 1 job"),
        (
            "POST /jobs/{id}/delay",
            "job-1",
            {"notBefore": "2026-11-29T10:55:00Z"},
            "delayed job-1 until 10:55",
        ),
        ("POST /changes/{id}/undo", "shop", {"action": "pause", "by": "ann"}, "undid the pause of ann"),
        ("POST /cycles", "cycle-7", {"accepted": 3000}, "started cycle-7 with 3,000 jobs"),
        (
            "POST /silences",
            "silence-1",
            {"rule": "late", "queue": None, "endsAt": "2026-11-29T10:55:00+00:00"},
            "silenced the rule late until 10:55",
        ),
        (
            "PUT /thresholds/{rule}/{parameter}",
            "stalled.minutes",
            {"value": None, "queue": "shop"},
            "set stalled.minutes for shop back to its default",
        ),
        ("POST /badges", "b1", {"actor": "ann", "roles": ["viewer"]}, "issued a badge to ann as viewer"),
        (
            "POST /reservations/{id}/report",
            "job-1.1.visit",
            {"reported": "done"},
            "reported done for job-1.1.visit",
        ),
        ("hms db hold add", "hold-1", {"target": "job-7", "jobs": 1}, "put job-7 on hold"),
        ("DELETE /unheard-of", "it", {}, "DELETE /unheard-of it"),
    ],
)
def test_an_act_is_told_as_a_sentence(
    action: str, subject: str | None, detail: dict[str, Any] | None, words: str
) -> None:
    """Verb, thing and value in plain words, not a route; what is not known is shown as it is."""
    assert acts.said(action, subject, detail, lambda when: f"{when:%H:%M}", done=True).words == words


def test_what_was_refused_is_told_as_tried() -> None:
    """A refusal reads as an attempt, and what was wrong with it stays in the detail."""
    words, left = acts.said(
        "POST /queues/{queue}/limit", "shop", {"refused": "window"}, lambda when: f"{when:%H:%M}", done=False
    )
    assert (words, left) == ("tried to limit shop", {"refused": "window"})


def test_every_change_has_its_words() -> None:
    """No route that changes something is shown as a route."""
    untold = {"POST /cycles/preview", "POST /cycles/uploads/{upload}/discard", "POST /simulations"}
    changes = {
        action for action, roles in TABLE.items() if not action.startswith("GET ") and roles != OPEN
    } - untold
    assert changes - set(acts.ACTS) == set()
