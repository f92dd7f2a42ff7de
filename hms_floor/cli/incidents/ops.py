"""`hms ops` beside the daemon: is the watch alive, what do its rules compare with, do texts arrive?"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import click
from rich.text import Text

from hms_floor.cli import names
from hms_floor.cli.terminal import api_client, show, tables
from hms_floor.cli.terminal.errors import ERROR
from hms_oms.api.codec import document
from hms_ops.documents.calling import Pulse, Threshold

#: Lights of a part, as the API has them.
OK, BAD = "ok", "bad"

_PHONE = re.compile(r"\+[1-9][0-9]{6,14}")


class Phone(click.ParamType[str]):
    """A phone with its country, written with or without spaces."""

    name = "phone"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read a phone as people write it."""
        phone = re.sub(r"[\s().-]", "", str(value))
        if not _PHONE.fullmatch(phone):
            self.fail(f"{value!r} is not a phone with its country (write +12025550143)", param, ctx)
        return phone


class Value(click.ParamType[Any]):
    """A number from 0 up, or `default`, which is read as None."""

    name = "number|default"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        """Read a threshold."""
        if str(value).lower() == "default":
            return None
        try:
            number = float(value)
        except ValueError:
            number = math.nan
        if not 0 <= number < math.inf:
            self.fail(f"{value!r} is neither a number from 0 up nor default", param, ctx)
        return number


@click.command("status")
@show.json_option
@click.pass_context
def status(ctx: click.Context, as_json: bool) -> None:
    """Tell how each part stands, and whether people are called.

    Exits with 1 if a part has failed (PostgreSQL, Redis, the dispatcher, the watch, the pager) or an incident
    is open that nobody has acknowledged. What only wants a look (nobody real is on call, an incident that
    is acknowledged and not over) does not.

    \b
    Example:  hms ops status
    """
    health = api_client.ops().status()
    if as_json:
        show.print_json(document(health))
    else:
        rows = [(_DAEMONS.get(beat.name, beat.name), *_life(beat), _said(beat)) for beat in health.beats]
        show.lines(tables.table(["daemon", "state", "last heard", "it says"], rows, wide=["it says"]))
        for part in health.parts:
            if part.light != OK and part.name not in _DAEMONS.values():
                style = "bold red" if part.light == BAD else "bold yellow"
                show.lines(Text(f"{part.words[0].upper()}{part.words[1:]}.", style=style))
        if any(beat.stale for beat in health.beats):
            show.lines("\nWhile one is silent nobody is called: start it with `hms ops run` (`hms up` does).")
    ctx.exit(0 if health.ok else ERROR)


@click.command("test-page")
@click.argument("phone", type=Phone())
@click.option("--reason", metavar="TEXT", help="Why, for the audit trail.")
@show.json_option
def test_page(phone: str, reason: str | None, as_json: bool) -> None:
    """Have a text that says it is a test sent to PHONE.

    \b
    Example:  hms ops test-page +12025550143
    """
    token = api_client.ops().test_page(phone, reason=reason)
    if as_json:
        show.print_json({"to": phone, "token": token})
        return
    show.lines(f"A test is on its way to {phone}; nothing else is to arrive there ({token}).")


@click.command("rules")
@click.option("--queue", metavar="QUEUE", shell_complete=names.queues, help="As they hold in this queue.")
@show.json_option
def rules(queue: str | None, as_json: bool) -> None:
    """List what each rule compares with, and who has changed it.

    \b
    Example:  hms ops rules
    """
    if queue is not None:
        api_client.oms().sla(queue)
    thresholds = [
        threshold
        for threshold in api_client.ops().thresholds()
        if queue is None or threshold.queue in (None, queue)
    ]
    if as_json:
        show.print_json([document(threshold) for threshold in thresholds])
        return
    named = list(dict.fromkeys(threshold.rule for threshold in thresholds))
    common = [name for name in _parameters(thresholds, named[0]) if _everywhere(thresholds, named, name)]
    in_force = {
        (threshold.rule, threshold.parameter): threshold.value
        for threshold in thresholds
        if threshold.queue in (None, queue)
    }
    rows = []
    for rule in named:
        own = [name for name in _parameters(thresholds, rule) if name not in common]
        compares = ", ".join(f"{name} {in_force[rule, name]:g}" for name in own)
        rows.append((rule, compares, *(f"{in_force[rule, name]:g}" for name in common)))
    spare = [*reversed(common)]
    show.lines(tables.table(["rule", "compares with", *common], rows, right=common, spare=spare))
    changed = [threshold for threshold in thresholds if threshold.set_by]
    if changed:
        headers = ["changed", "queue", "value", "default", "set by", "reason"]
        table = tables.table(
            headers,
            [_change(threshold) for threshold in changed],
            right=["value", "default"],
            wide=["reason"],
            spare=["set by"],
        )
        show.lines("", table)


@click.command("rule")
@click.argument("name")
@click.argument("parameter")
@click.argument("value", type=Value())
@click.option("--queue", metavar="QUEUE", shell_complete=names.queues, help="Only in this queue.")
@click.option("--reason", metavar="TEXT", help="Why, for the history.")
@show.json_option
def rule(
    name: str, parameter: str, value: float | None, queue: str | None, reason: str | None, as_json: bool
) -> None:
    """Change what rule NAME compares with, from the next look on; VALUE `default` takes it back.

    \b
    Example:  hms ops rule stalled minutes 10 --queue farm-grant
    """
    threshold = api_client.ops().set_threshold(name, parameter, value, queue=queue, reason=reason)
    if as_json:
        show.print_json(document(threshold))
        return
    where = f"in {threshold.queue}" if threshold.queue else "in every queue without a value of its own"
    default = "" if threshold.value == threshold.default else f" (default {threshold.default:g})"
    setting = f"{threshold.rule}: {threshold.parameter} is {threshold.value:g}{default}"
    show.lines(f"{setting} {where}, from the next look on.")


_DAEMONS = {"ops": "watch", "pager": "pager"}


def _life(beat: Pulse) -> tuple[Text, str]:
    word = Text("silent", style="bold red") if beat.stale else Text("alive", style="green")
    age = "never heard" if beat.age_seconds is None else f"{show.span(beat.age_seconds)} ago"
    return word, age


def _said(beat: Pulse) -> Text:
    """Status of a daemon, in words."""
    sentences = Text(", ").join(_sentences(beat))
    return sentences if sentences.plain or beat.age_seconds is None else Text("nothing has failed")


def _sentences(beat: Pulse) -> Iterator[Text]:
    detail = beat.detail
    if detail.get("failed_rules"):
        yield Text(f"cannot judge: {', '.join(detail['failed_rules'])}", style="bold red")
    if detail.get("fault"):
        yield Text(str(detail["fault"]), style="bold red")
    if detail.get("sender") == "log":
        yield Text("texts stay on this machine, in handset.log")
    elif detail.get("sender"):
        yield Text(f"texts go out by {detail['sender']}")


def _parameters(thresholds: list[Threshold], rule: str) -> list[str]:
    return list(dict.fromkeys(threshold.parameter for threshold in thresholds if threshold.rule == rule))


def _everywhere(thresholds: list[Threshold], named: list[str], parameter: str) -> bool:
    return all(parameter in _parameters(thresholds, rule) for rule in named)


def _change(threshold: Threshold) -> tuple[str, ...]:
    return (
        f"{threshold.rule} {threshold.parameter}",
        threshold.queue or "every queue",
        f"{threshold.value:g}",
        f"{threshold.default:g}",
        threshold.set_by or "",
        threshold.reason or "",
    )
