"""Documents of webhooks and their deliveries."""

from __future__ import annotations

from dataclasses import dataclass, field

from hms_oms.documents.document import Document, Moment


@dataclass(frozen=True, slots=True)
class Webhook(Document):
    """An address that hears of events: of jobs in `queue` and of `type` only, if these are given.

    `state` is active, paused or failing; of its `url` what follows the path is masked. `waiting` counts the
    events that are on their way, `given_up` those that were given up within a day. `fault` is what was wrong
    with the last attempt that failed, and `failing_since` when the first one failed since one succeeded.
    """

    name: str
    url: str
    events: tuple[str, ...]
    queue: str | None
    type: str | None
    state: str
    set_by: str
    created_at: Moment
    paused_at: Moment | None
    paused_by: str | None
    pause_reason: str | None
    failing_since: Moment | None
    next_attempt_at: Moment | None
    fault: str | None
    waiting: int
    given_up: int


@dataclass(frozen=True, slots=True)
class NewWebhook(Webhook):
    """A new webhook, and the `secret` that its events are signed with: it is told this once."""

    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class WebhookAttempt(Document):
    """An attempt to deliver an event: `outcome` is delivered, refused, not sent or unknown; None while open.

    Of an attempt that is `unknown` nobody can tell whether it arrived.
    """

    number: int
    started_at: Moment
    finished_at: Moment | None
    outcome: str | None
    http_status: int | None
    fault: str | None


@dataclass(frozen=True, slots=True)
class WebhookDelivery(Document):
    """An event on its way to a webhook: `state` is pending, sending, delivered, failed or dropped.

    A failed one was given up; a dropped one had not gone when its webhook was removed. `event_id` is the
    `id` of the CloudEvent, the same in each attempt.
    """

    id: int
    event_id: str
    event: str
    subject: str
    at: Moment
    state: str
    due_at: Moment
    give_up_at: Moment
    finished_at: Moment | None
    fault: str | None
    attempts: tuple[WebhookAttempt, ...]
