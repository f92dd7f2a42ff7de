"""`hms webhook`: addresses of other programs that hear when jobs and cycles end or are late."""

from __future__ import annotations

import time
from datetime import datetime

import click
from rich.console import RenderableType

from hms_floor.cli import names, verbs
from hms_floor.cli.terminal import api_client, show, tables
from hms_floor.cli.terminal.errors import Failure
from hms_oms.api.codec import document
from hms_ops.documents.webhooks import Webhook, WebhookDelivery
from hms_ops.webhooks.events import EVENTS

#: How long `hms webhook test` waits for what becomes of its event, in seconds.
TEST_SECONDS = 30.0
_STATES = ("pending", "sending", "delivered", "failed", "dropped")
_KINDS = "\n".join(f"  {name:<14} {words}" for name, words in EVENTS.items())
_reason = click.option("--reason", metavar="TEXT", help="Why, for the audit trail.")
_name = click.argument("name")


@click.group(cls=verbs.Verbs, same={"show": "get"})
def webhook() -> None:
    """Have other programs hear when jobs and cycles end or are late.

    Each event is a CloudEvent, signed as Standard Webhooks says, and tried again for three days.
    """


@webhook.command(
    "add",
    epilog=f"\b\nThe events:\n{_KINDS}\n\n\b\nExample:  hms webhook add billing https://example.org/hooks/hms"
    " --event job.done --event job.failed",
)
@_name
@click.argument("url")
@click.option(
    "--event",
    "events",
    type=click.Choice(list(EVENTS)),
    multiple=True,
    required=True,
    metavar="EVENT",
    help="What it hears of; may be given several times.",
)
@click.option(
    "--queue",
    metavar="QUEUE",
    shell_complete=names.queues,
    help="Only jobs that end or are late in this queue.",
)
@click.option(
    "--type",
    "job_type",
    metavar="TYPE",
    shell_complete=names.job_types,
    help="Only jobs and cycles of this type.",
)
@_reason
@show.json_option
def add(
    name: str,
    url: str,
    events: tuple[str, ...],
    queue: str | None,
    job_type: str | None,
    reason: str | None,
    as_json: bool,
) -> None:
    """Have URL hear of events from now on; NAME is what the webhook is called here.

    The secret that its events are signed with is printed this once, and kept nowhere.
    """
    added = api_client.ops().add_webhook(name, url, events, queue=queue, job_type=job_type, reason=reason)
    if as_json:
        show.print_json(document(added))
        return
    show.lines(
        f"The webhook {added.name} hears of {', '.join(added.events)} from now on.",
        f"Its secret, told this once: {added.secret}",
        f"See that events arrive with: hms webhook test {added.name}",
    )


@webhook.command("list")
@show.json_option
def list_webhooks(as_json: bool) -> None:
    """List the webhooks and how they do.

    \b
    Example:  hms webhook list
    """
    webhooks = api_client.ops().webhooks()
    if as_json:
        show.print_json([document(webhook) for webhook in webhooks])
        return
    if not webhooks:
        show.lines("There is no webhook; `hms webhook add` adds one.")
        return
    rows = [
        (
            webhook.name,
            webhook.state,
            ", ".join(webhook.events),
            _only(webhook),
            str(webhook.waiting),
            str(webhook.given_up),
            webhook.url,
        )
        for webhook in webhooks
    ]
    headers = ["webhook", "state", "hears of", "only", "waiting", "given up", "url"]
    show.lines(tables.table(headers, rows, right=["waiting", "given up"], wide=["url"], spare=["only"]))


@webhook.command("get")
@_name
@show.json_option
def get(name: str, as_json: bool) -> None:
    """Show one webhook: whether its events arrive, and the last of them.

    \b
    Example:  hms webhook get billing
    """
    shown = api_client.ops().webhook(name)
    if as_json:
        show.print_json(document(shown))
        return
    now = api_client.clock()
    paused = f"{shown.state} by {shown.paused_by}" if shown.paused_at else shown.state
    facts = [
        ("state", f"{paused}: {shown.pause_reason}" if shown.pause_reason else paused),
        ("url", shown.url),
        ("hears of", ", ".join(shown.events)),
        ("only", _only(shown)),
        ("waiting", f"{shown.waiting}"),
        ("given up", f"{shown.given_up} within a day" if shown.given_up else "none"),
        ("set by", f"{shown.set_by}, {show.moment(shown.created_at, now)}"),
    ]
    if shown.failing_since is not None:
        facts.insert(1, ("failing", f"since {show.moment(shown.failing_since, now)}: {shown.fault}"))
        if shown.next_attempt_at is not None and shown.next_attempt_at > now:
            facts.insert(2, ("next attempt", show.moment(shown.next_attempt_at, now)))
    show.lines(tables.facts(facts))
    last = list(api_client.ops().webhook_deliveries(name, limit=5))
    if last:
        show.lines("", "The last events:", _table(last, now))


@webhook.command("deliveries")
@_name
@click.option(
    "--state", "states", type=click.Choice(_STATES), multiple=True, help="Only those in this state."
)
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="At most so many."
)
@show.json_option
def deliveries(name: str, states: tuple[str, ...], limit: int, as_json: bool) -> None:
    """List the events for a webhook with what became of them, newest first; --json has each attempt.

    \b
    Example:  hms webhook deliveries billing --state failed
    """
    events = list(api_client.ops().webhook_deliveries(name, *states, limit=limit))
    if as_json:
        show.print_json([document(delivery) for delivery in events])
    elif events:
        show.lines(_table(events, api_client.clock()))
    else:
        show.lines("No such events.")


@webhook.command("pause")
@_name
@_reason
@show.json_option
def pause(name: str, reason: str | None, as_json: bool) -> None:
    """Keep the events of a webhook back until it is resumed; none is lost.

    \b
    Example:  hms webhook pause billing --reason "they are moving"
    """
    paused = api_client.ops().pause_webhook(name, reason=reason)
    _tell(paused, f"The webhook {name} is paused; {paused.waiting} events wait.", as_json=as_json)


@webhook.command("resume")
@_name
@_reason
@show.json_option
def resume(name: str, reason: str | None, as_json: bool) -> None:
    """Let the events of a webhook go, those that wait at once; also of one that is left alone as it fails.

    \b
    Example:  hms webhook resume billing
    """
    resumed = api_client.ops().resume_webhook(name, reason=reason)
    _tell(resumed, f"The webhook {name} is resumed; {resumed.waiting} events go now.", as_json=as_json)


@webhook.command("remove")
@_name
@_reason
@show.json_option
def remove(name: str, reason: str | None, as_json: bool) -> None:
    """Remove a webhook; the events that wait for it are dropped.

    \b
    Example:  hms webhook remove billing
    """
    removed = api_client.ops().remove_webhook(name, reason=reason)
    dropped = f"; {removed.waiting} events that waited are dropped" if removed.waiting else ""
    _tell(removed, f"The webhook {name} is removed{dropped}.", as_json=as_json)


@webhook.command("test")
@_name
@_reason
@show.json_option
def test(name: str, reason: str | None, as_json: bool) -> None:
    """Send an event that only shows that events arrive, and tell what became of it.

    \b
    Example:  hms webhook test billing
    """
    ops = api_client.ops()
    sent, until = ops.test_webhook(name, reason=reason), time.monotonic() + TEST_SECONDS
    while True:
        delivery = next(event for event in ops.webhook_deliveries(name) if event.id <= sent.id)
        ended = [attempt for attempt in delivery.attempts if attempt.finished_at is not None]
        if ended or time.monotonic() > until:
            break
        time.sleep(0.2)
    if as_json:
        show.print_json(document(delivery))
    if delivery.state != "delivered":
        why = (
            ended[-1].fault if ended else "no attempt was made: does `hms ops run` run, and is it left alone?"
        )
        raise Failure(f"the event has not arrived: {why}")
    if not as_json:
        show.lines(f"It arrived: HTTP {ended[-1].http_status}.")


@webhook.command("resend")
@_name
@click.argument("delivery", type=click.IntRange(1, 2**63 - 1))
@_reason
@show.json_option
def resend(name: str, delivery: int, reason: str | None, as_json: bool) -> None:
    """Send an event to a webhook again, with the same id, by its number in `hms webhook deliveries`.

    \b
    Example:  hms webhook resend billing 219
    """
    again = api_client.ops().resend(name, delivery, reason=reason)
    if as_json:
        show.print_json(document(again))
    else:
        show.lines(f"The event {again.event_id} goes to {name} again.")


def _tell(webhook: Webhook, words: str, *, as_json: bool) -> None:
    if as_json:
        show.print_json(document(webhook))
    else:
        show.lines(words)


def _only(webhook: Webhook) -> str:
    parts = [("queue", webhook.queue), ("type", webhook.type)]
    return ", ".join(f"{name} {value}" for name, value in parts if value) or "–"


def _table(deliveries: list[WebhookDelivery], now: datetime) -> RenderableType:
    rows = [
        (
            str(delivery.id),
            delivery.event,
            delivery.subject,
            show.moment(delivery.at, now),
            delivery.state,
            str(len(delivery.attempts)),
            _detail(delivery, now),
        )
        for delivery in deliveries
    ]
    headers = ["delivery", "event", "of", "at", "state", "attempts", "detail"]
    return tables.table(headers, rows, right=["delivery", "attempts"], wide=["detail"])


def _detail(delivery: WebhookDelivery, now: datetime) -> str:
    if delivery.state == "pending" and delivery.fault:
        return f"{delivery.fault}; again {show.moment(delivery.due_at, now)}"
    return delivery.fault or ""
