"""Reads what stands in a queue's list in Redis: a step's message exactly as we write it, or nothing.

Celery and kombu take a message's shape for granted: one that is oddly formed ends the worker that takes it.
Anything may have been written to Redis, so each field is checked before they see it, and no more is passed on
than was checked. The chain may only lead through other steps of the same job under the same attempt.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import orjson

from hms_oms.jobs.tickets import Ticket

#: Our longest messages, with the chains of many steps in them, have some kilobytes.
MOST_BYTES = 65536
#: What workers tell of themselves, as their settings, is longer.
MOST_TOLD_BYTES = 4 << 20
#: No step may run longer, in seconds: a week.
MOST_SECONDS = 7 * 86400


#: Celery's remote control has no sign-in: it would shut workers down, take their queues or limit their rate
#: for anyone with Redis' password. What Flower asks is answered; changes are made through the ledger.
QUESTIONS = frozenset(
    {
        "active",
        "active_queues",
        "conf",
        "ping",
        "registered",
        "reserved",
        "revoked",
        "scheduled",
        "stats",
    }
)


class Malformed(ValueError):
    """The message is not one of ours; the text says which part, and quotes nothing of it."""


def read(item: bytes) -> dict[str, Any]:
    """The message as kombu wants it. Raises Malformed."""
    if len(item) > MOST_BYTES:
        raise Malformed("it is too long")
    payload = _object(_json(item, "the message"), "the message")
    headers = _object(payload.get("headers"), "its headers")
    properties = _object(payload.get("properties"), "its properties")
    ticket = _ticket(headers.get("id"))
    encoding = properties.get("body_encoding")
    _check_step(_body(payload.get("body"), encoding), ticket)
    return {
        "body": payload["body"],
        "content-type": _same(payload.get("content-type"), "application/json", "its content type"),
        "content-encoding": _same(payload.get("content-encoding"), "utf-8", "its content encoding"),
        "headers": of_step(
            str(ticket),
            task=_word(headers.get("task"), "its task"),
            limits=_limits(headers.get("timelimit")),
            root=_optional_word(headers.get("root_id"), "its root"),
            parent=_optional_word(headers.get("parent_id"), "its parent"),
            origin=_optional_word(headers.get("origin"), "its origin"),
        ),
        "properties": {
            "correlation_id": str(ticket),
            "delivery_tag": _word(properties.get("delivery_tag"), "its delivery tag"),
            "delivery_mode": 2,
            "delivery_info": _delivery(properties.get("delivery_info")),
            "priority": _number(properties.get("priority", 0), "its priority"),
            "body_encoding": encoding,
        },
    }


def of_step(
    ticket: str,
    *,
    task: str,
    limits: list[float | None],
    root: str | None,
    parent: str | None,
    origin: str | None,
) -> dict[str, Any]:
    """The headers of a step's message, as Celery reads them."""
    return {
        "lang": "py",
        "task": task,
        "id": ticket,
        "timelimit": limits,
        "root_id": root,
        "parent_id": parent,
        "argsrepr": f"('{ticket}',)",
        "kwargsrepr": "{}",
        "origin": origin,
        "ignore_result": True,
        "retries": 0,
        "eta": None,
        "expires": None,
        "group": None,
    }


def announcement(item: Any) -> dict[str, Any]:
    """An event or a command, as it comes over a channel, as kombu wants it. Raises Malformed."""
    if not isinstance(item, bytes) or len(item) > MOST_TOLD_BYTES:
        raise Malformed("it is too long, or no text")
    payload = _object(_json(item, "the message"), "the message")
    properties = _object(payload.get("properties"), "its properties")
    _word(properties.get("delivery_tag"), "its delivery tag")
    _object(properties.get("delivery_info"), "its delivery")
    _object(payload.get("headers"), "its headers")
    _same(payload.get("content-type"), "application/json", "its content type")
    _same(payload.get("content-encoding"), "utf-8", "its content encoding")
    body = _body(payload.get("body"), properties.get("body_encoding"))
    for part in body if isinstance(body, list) else [body]:
        _check_command(_object(part, "what it says"))
    return payload


def _check_command(said: Mapping[str, Any]) -> None:
    if "method" not in said:
        return
    if said["method"] not in QUESTIONS:
        raise Malformed("its command is none that may be given over Redis")
    _object(said.get("arguments") or {}, "the arguments of its command")
    destination = said.get("destination")
    if destination is not None and not isinstance(destination, list):
        raise Malformed("its destination is not a list")
    if said.get("reply_to") is not None:
        reply = _object(said["reply_to"], "its reply")
        _word(reply.get("exchange"), "the exchange of its reply")
        _word(reply.get("routing_key"), "the key of its reply")


def ticket(item: bytes | str) -> str:
    """The ticket of a message; nothing for one that is not ours."""
    try:
        return str(read(item if isinstance(item, bytes) else item.encode())["headers"]["id"])
    except Malformed:
        return ""


def _check_step(body: Any, ticket: Ticket) -> None:
    if not isinstance(body, list) or len(body) != 3:
        raise Malformed("its body is not a list of three")
    arguments, names, embedded = body
    if arguments != [str(ticket)] or names != {}:
        raise Malformed("its argument is not its ticket")
    for name, value in _object(embedded, "what is embedded").items():
        if name != "chain" and value is not None:
            raise Malformed("something other than a chain is embedded")
    chain = embedded.get("chain")
    if chain is not None and not isinstance(chain, list):
        raise Malformed("its chain is not a list")
    for link in chain or ():
        _check_link(_object(link, "a step of its chain"), ticket)


def _check_link(link: Mapping[str, Any], ticket: Ticket) -> None:
    options = _object(link.get("options"), "the options of a step of its chain")
    ahead = _ticket(options.get("task_id"))
    if (ahead.job, ahead.attempt) != (ticket.job, ticket.attempt) or link.get("args") != [str(ahead)]:
        raise Malformed("its chain leads to another job")
    _word(link.get("task"), "a task of its chain")
    _word(options.get("queue"), "a queue of its chain")
    _number(options.get("priority", 0), "a priority of its chain")
    _limits([options.get("time_limit"), options.get("soft_time_limit")])
    if link.get("kwargs") not in ({}, None) or options.keys() - _LINK_OPTIONS or link.get("subtask_type"):
        raise Malformed("a step of its chain has what no step of ours has")


_LINK_OPTIONS = {"task_id", "queue", "priority", "time_limit", "soft_time_limit", "reply_to"}


def _json(text: bytes | str, what: str) -> Any:
    try:
        return orjson.loads(text)
    except (ValueError, RecursionError):
        raise Malformed(f"{what} is not JSON") from None


def _body(text: Any, encoding: Any) -> Any:
    if not isinstance(text, str):
        raise Malformed("its body is not text")
    if encoding == "base64":
        try:
            decoded = base64.b64decode(text, validate=True)
        except ValueError:
            raise Malformed("its body is not base64") from None
        return _json(decoded, "its body")
    if encoding != "utf-8":
        raise Malformed("its body is encoded in an unknown way")
    return _json(text, "its body")


def _object(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Malformed(f"{what} is not an object")
    return value


def _ticket(value: Any) -> Ticket:
    try:
        return Ticket.parse(value)
    except (ValueError, TypeError):
        raise Malformed("its id is not a ticket") from None


def _word(value: Any, what: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 200 or not value.isprintable():
        raise Malformed(f"{what} is not a word")
    return value


def _optional_word(value: Any, what: str) -> str | None:
    return None if value is None else _word(value, what)


def _same(value: Any, only: str, what: str) -> str:
    if value != only:
        raise Malformed(f"{what} is not {only}")
    return only


def _number(value: Any, what: str) -> int:
    if type(value) is not int or not 0 <= value <= 9:
        raise Malformed(f"{what} is not a number from 0 to 9")
    return value


def _limits(value: Any) -> list[float | None]:
    if value is None:
        return [None, None]
    if not isinstance(value, list) or len(value) != 2:
        raise Malformed("its time limits are not two")
    for limit in value:
        if limit is not None and (type(limit) not in (int, float) or not 0 < limit <= MOST_SECONDS):
            raise Malformed("a time limit is not a number of seconds")
    return value


def _delivery(value: Any) -> dict[str, str]:
    info = _object(value, "its delivery")
    exchange, key = info.get("exchange"), info.get("routing_key")
    if exchange != "" or not isinstance(key, str):
        raise Malformed("it was not sent to a queue")
    return {"exchange": "", "routing_key": _word(key, "its queue")}
