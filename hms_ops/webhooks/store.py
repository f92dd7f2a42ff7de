"""Webhooks as people set them: the writer of ops.webhooks, with `hms_ops.webhooks.outbox` for its faults."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import fields

from sqlalchemy import Connection, text

from hms_oms.jobs.commands import require_queue
from hms_oms.runtime.errors import HmsError
from hms_ops.documents.webhooks import NewWebhook, Webhook
from hms_ops.webhooks import addresses, outbox, signing
from hms_ops.webhooks.events import EVENTS

#: So many webhooks may there be: each event goes to each that asks for it.
MOST = 50


class UnknownWebhook(HmsError):
    """No webhook has this name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"there is no webhook {name!r}")


class BadWebhook(HmsError):
    """A webhook that cannot be, or a change that it cannot have."""


def add(
    connection: Connection,
    key: bytes,
    *,
    name: str,
    url: str,
    events: Sequence[str],
    queue: str | None,
    job_type: str | None,
    set_by: str,
) -> NewWebhook:
    """Add a webhook, which hears of what happens from now on. Raises BadWebhook and UnknownQueue."""
    if queue is not None:
        require_queue(connection, queue)
        of_cycles = [event for event in events if event.startswith("cycle.")]
        if of_cycles:
            raise BadWebhook(f"a cycle has no queue: leave the queue out, or {' and '.join(of_cycles)}")
    connection.execute(text("lock table ops.webhooks in share row exclusive mode"))
    names = list(connection.scalars(text("select name from ops.webhooks where removed_at is null")))
    if name in names:
        raise BadWebhook(f"there is a webhook {name!r} already")
    if len(names) >= MOST:
        raise BadWebhook(f"there are {MOST} webhooks, the most that there may be")
    salt = uuid.uuid4()
    number = connection.scalar(
        text(
            "insert into ops.webhooks (name, url, events, queue, type, salt, set_by)"
            " values (:name, :url, :events, :queue, :type, :salt, :who) returning id"
        ),
        {
            "name": name,
            "url": url,
            "events": [event for event in EVENTS if event in events],
            "queue": queue,
            "type": job_type,
            "salt": salt,
            "who": set_by,
        },
    )
    secret = signing.secret(key, int(number or 0), str(salt))
    connection.execute(
        text("update ops.webhooks set key_check = :check where id = :id"),
        {"check": signing.check(secret), "id": number},
    )
    return NewWebhook.of(get(connection, name), secret=secret)


def find(connection: Connection) -> list[Webhook]:
    """All webhooks, by name."""
    return [_webhook(row) for row in connection.execute(text(f"{_ROWS} order by name")).mappings()]


def get(connection: Connection, name: str) -> Webhook:
    """One webhook. Raises UnknownWebhook."""
    row = connection.execute(text(f"{_ROWS} and name = :name"), {"name": name}).mappings().one_or_none()
    if row is None:
        raise UnknownWebhook(name)
    return _webhook(row)


def number(connection: Connection, name: str) -> int:
    """The number of a webhook. Raises UnknownWebhook."""
    query = text("select id from ops.webhooks where name = :name and removed_at is null")
    number = connection.scalar(query, {"name": name})
    if number is None:
        raise UnknownWebhook(name)
    return int(number)


def pause(connection: Connection, name: str, who: str, reason: str | None) -> Webhook:
    """Keep its events back until it is resumed; pausing twice changes nothing. Raises UnknownWebhook."""
    connection.execute(
        text(
            "update ops.webhooks set paused_at = oms.now(), paused_by = :who, pause_reason = :reason"
            " where id = :id and paused_at is null"
        ),
        {"id": number(connection, name), "who": who, "reason": reason},
    )
    return get(connection, name)


def resume(connection: Connection, name: str) -> Webhook:
    """Let its events go, those first that have waited, at once. Raises UnknownWebhook."""
    webhook = number(connection, name)
    connection.execute(
        text(
            "update ops.webhooks set paused_at = null, paused_by = null, pause_reason = null, failures = 0,"
            " failing_since = null, fault = null, not_before = oms.now() where id = :id"
        ),
        {"id": webhook},
    )
    outbox.begin_again(connection, webhook)
    return get(connection, name)


def remove(connection: Connection, name: str, who: str) -> Webhook:
    """Remove a webhook; what had not gone to it will not. Raises UnknownWebhook."""
    webhook, before = number(connection, name), get(connection, name)
    connection.execute(
        text("update ops.webhooks set removed_at = oms.now(), removed_by = :who where id = :id"),
        {"id": webhook, "who": who},
    )
    outbox.drop(connection, webhook)
    return before


def _webhook(row: object) -> Webhook:
    values = dict(row)  # type: ignore[call-overload]
    values["url"], values["events"] = addresses.shown(values["url"]), tuple(values["events"])
    return Webhook(**{field.name: values[field.name] for field in fields(Webhook)})


_ROWS = """
select
    webhook.*,
    case
        when paused_at is not null then 'paused' when failing_since is not null then 'failing' else 'active'
    end as state,
    case when failing_since is not null and paused_at is null then not_before end as next_attempt_at,
    (
        select count(*)::int from ops.webhook_deliveries as delivery
        where delivery.webhook_id = webhook.id and delivery.state = 'pending'
    ) as waiting,
    (
        select count(*)::int from ops.webhook_deliveries as delivery
        where delivery.webhook_id = webhook.id and delivery.state = 'failed'
            and delivery.finished_at > oms.now() - interval '1 day'
    ) as given_up
from ops.webhooks as webhook
where removed_at is null
"""
