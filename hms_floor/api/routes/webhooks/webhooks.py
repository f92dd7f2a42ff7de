"""Webhooks: add, list, pause, resume, remove and test them; what became of their events."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Path, Query

from hms_floor.api.access.guard import Guarded, Who
from hms_floor.api.app_state import TheAppState
from hms_floor.api.requests import requests
from hms_floor.api.requests.requests import Cursor, DeliveryState, Limit, Reasoned, WebhookName
from hms_floor.api.responses import WebhookDeliveries, Webhooks, next_page
from hms_oms.access import audit
from hms_oms.runtime.errors import UnknownJobType
from hms_ops.documents.webhooks import NewWebhook, Webhook, WebhookDelivery
from hms_ops.webhooks import addresses, outbox, signing, store
from hms_ops.webhooks.store import BadWebhook

router = APIRouter(route_class=Guarded, tags=["webhooks"])

NamePath = Annotated[WebhookName, Path(alias="name", examples=["billing"])]
DeliveryPath = Annotated[int, Path(alias="id", ge=1, le=2**63 - 1)]


@router.post("/webhooks", status_code=201)
def add(app_state: TheAppState, who: Who, body: requests.AddWebhook) -> NewWebhook:
    """Have an address hear of events from now on. The secret that they are signed with is told this once."""
    if body.type is not None and body.type not in app_state.recipes:
        raise UnknownJobType(body.type, list(app_state.recipes))
    allowed = addresses.networks(app_state.settings.events_networks)
    with suppress(addresses.Unresolved):
        # The watch, which sends, may see names that the API does not: it judges each time.
        addresses.target(body.url, allowed)
    key = signing.make_key(app_state.settings)
    with app_state.writing() as connection:
        added = store.add(
            connection,
            key,
            name=body.name,
            url=body.url,
            events=body.events,
            queue=body.queue,
            job_type=body.type,
            set_by=who.actor,
        )
        detail = {"url": added.url, "events": list(added.events), "queue": body.queue, "type": body.type}
        audit.write(connection, [who.act(body.name, status=201, reason=body.reason, detail=detail)])
    return added


@router.get("/webhooks")
def find(app_state: TheAppState) -> Webhooks:
    """List the webhooks, by name."""
    with app_state.reading() as connection:
        return Webhooks(tuple(store.find(connection)))


@router.get("/webhooks/{name}")
def get(app_state: TheAppState, name: NamePath) -> Webhook:
    """One webhook, and how it does."""
    with app_state.reading() as connection:
        return store.get(connection, name)


@router.get("/webhooks/{name}/deliveries")
def deliveries(
    app_state: TheAppState,
    name: NamePath,
    state: Annotated[list[DeliveryState] | None, Query(description="Those in these states.")] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> WebhookDeliveries:
    """List the events for a webhook with each attempt to deliver them, newest first."""
    with app_state.reading() as connection:
        webhook = store.number(connection, name)
        page = outbox.find(connection, webhook, states=state or [], limit=limit, after=cursor)
    return WebhookDeliveries(tuple(page), next_page(page, limit))


@router.post("/webhooks/{name}/pause")
def pause(app_state: TheAppState, who: Who, name: NamePath, body: Reasoned | None = None) -> Webhook:
    """Keep the events of a webhook back until it is resumed."""
    reason = body.reason if body else None
    with app_state.writing() as connection:
        paused = store.pause(connection, name, who.actor, reason)
        audit.write(connection, [who.act(name, reason=reason)])
    return paused


@router.post("/webhooks/{name}/resume")
def resume(app_state: TheAppState, who: Who, name: NamePath, body: Reasoned | None = None) -> Webhook:
    """Let the events of a webhook go, at once; also those of one that is left alone."""
    with app_state.writing() as connection:
        resumed = store.resume(connection, name)
        audit.write(connection, [who.act(name, reason=body.reason if body else None)])
    return resumed


@router.post("/webhooks/{name}/remove")
def remove(app_state: TheAppState, who: Who, name: NamePath, body: Reasoned | None = None) -> Webhook:
    """Remove a webhook, which is returned as it was; the events that wait for it are dropped."""
    with app_state.writing() as connection:
        removed = store.remove(connection, name, who.actor)
        audit.write(connection, [who.act(name, reason=body.reason if body else None)])
    return removed


@router.post("/webhooks/{name}/test", status_code=202)
def send_test(
    app_state: TheAppState, who: Who, name: NamePath, body: Reasoned | None = None
) -> WebhookDelivery:
    """Send an event that only shows that events arrive."""
    with app_state.writing() as connection:
        webhook = store.number(connection, name)
        if store.get(connection, name).state == "paused":
            raise BadWebhook(f"the webhook {name!r} is paused: resume it first")
        delivery = outbox.put_test(connection, webhook, name)
        audit.write(connection, [who.act(name, status=202, reason=body.reason if body else None)])
    return delivery


@router.post("/webhooks/{name}/deliveries/{id}/resend", status_code=202)
def resend(
    app_state: TheAppState, who: Who, name: NamePath, delivery: DeliveryPath, body: Reasoned | None = None
) -> WebhookDelivery:
    """Send an event again, with the same id; one that is just being sent stays as it is."""
    with app_state.writing() as connection:
        webhook = store.number(connection, name)
        outbox.begin_again(connection, webhook, delivery)
        again = outbox.get(connection, webhook, name, delivery)
        reason = body.reason if body else None
        audit.write(connection, [who.act(name, status=202, reason=reason, detail={"delivery": delivery})])
    return again
