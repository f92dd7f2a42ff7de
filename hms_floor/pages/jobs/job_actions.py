"""Actions on jobs: each shows the count and the effect first, and asks for a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nicegui import ui

from hms_floor.auth.tokens import Role
from hms_floor.pages.parts import undo
from hms_floor.pages.parts.dialogs import Dialog
from hms_floor.pages.parts.undo import follow
from hms_floor.pages.sign_in.api_client import Refused
from hms_floor.pages.sign_in.session import Visitor
from hms_floor.presentation.foresight import effect_words
from hms_oms.api.filter import CONFIRM_ABOVE

_OPEN = ("waiting", "queued", "running")
_NOT_BEGUN = ("waiting", "queued")


@dataclass(frozen=True, slots=True)
class JobAction:
    """A verb for jobs: what it is called, what it does, for whom, and in which statuses it can be done."""

    title: str
    effect: str
    icon: str
    roles: tuple[Role, ...]
    statuses: tuple[str, ...]
    #: What else must be known: the field of the request, its label, and how it is read.
    wants: tuple[str, str, Callable[[str], Any]] | None = None
    danger: bool = False

    def fits(self, status: str) -> bool:
        """Whether it can be done to a job in this status."""
        return status in self.statuses


_STARTERS = (Role.OPERATOR, Role.MANAGER)
_MANAGERS = (Role.MANAGER,)

JOB_ACTIONS: Mapping[str, JobAction] = {
    "promote": JobAction(
        "Promote", "Next to run, before all others.", "vertical_align_top", _MANAGERS, _NOT_BEGUN
    ),
    "priority": JobAction(
        "Priority",
        "A higher number runs earlier; 0 is usual.",
        "low_priority",
        _MANAGERS,
        _NOT_BEGUN,
        ("priority", "Priority, -1000 to 1000", int),
    ),
    "move": JobAction(
        "Move",
        "What is moved waits in the other queue and is run by its workers.",
        "drive_file_move",
        _MANAGERS,
        _NOT_BEGUN,
        ("queue", "To queue", str),
    ),
    "retry": JobAction("Retry", "Each goes on from the step that failed.", "replay", _STARTERS, ("failed",)),
    "reinstate": JobAction(
        "Reinstate",
        "Each goes on from the step at which it stood. Deadlines stay: a job that is past its own is late.",
        "restore",
        _STARTERS,
        ("cancelled",),
    ),
    "cancel": JobAction(
        "Cancel",
        "A job that runs ends with its step. Cancelled jobs can be reinstated.",
        "cancel",
        _STARTERS,
        _OPEN,
        danger=True,
    ),
}


def action_button(
    name: str,
    visitor: Visitor,
    which: Mapping[str, Any] | Callable[[], Mapping[str, Any]],
    what: str,
    then: Callable[[], Any] | None = None,
) -> ui.button:
    """A button that does `name` to the jobs of `which` (ids or a filter), after asking.

    `what` heads the dialog, without a number: how many will change is counted, and said below it.
    """
    action = JOB_ACTIONS[name]

    async def ask() -> None:
        selected = which() if callable(which) else which
        await _ask(name, visitor, selected, what, then)

    button = ui.button(action.title, icon=action.icon, on_click=ask).props("outline dense")
    return button.props("color=negative") if action.danger else button


async def _ask(
    name: str, visitor: Visitor, which: Mapping[str, Any], what: str, then: Callable[[], Any] | None
) -> None:
    action = JOB_ACTIONS[name]
    which = await _as_of_now(visitor, which)
    able = 0

    def body(*, dry: bool) -> dict[str, Any]:
        asked: dict[str, Any] = {"action": name, **which, "dryRun": dry}
        if action.wants and field is not None:
            asked[action.wants[0]] = _read(action.wants[2], field.value, action.wants[1])
        if reason.value:
            asked["reason"] = reason.value
        if not dry and able > CONFIRM_ABOVE:
            asked["count"] = _confirmed(able, typed.value, reason.value)
        return asked

    async def count() -> None:
        nonlocal able
        try:
            answer = await visitor.ask.post("/jobs/bulk", body(dry=True))
        except (Refused, ValueError) as refused:
            dialog.say(str(refused), fault=True)
            return
        able = answer["able"]
        effects = effect_words.all_told(answer["effects"], answer["unmeasured"])
        dialog.say(" ".join([_effect(answer), *effects]))
        if able > CONFIRM_ABOVE:
            typed.props(f'label="Type {able} to confirm"')
        typed.set_visibility(able > CONFIRM_ABOVE)

    async def act() -> None:
        try:
            answer = await visitor.ask.post("/jobs/bulk", body(dry=False))
        except Refused:
            # They may be others by now: the dialog shows how many, and why it was refused.
            await count()
            raise
        if then is not None:
            await follow(then)
        message = f"{action.title}: {answer['changed']:,} of {answer['matched']:,} changed."
        if answer["warning"]:
            message += f" {answer['warning'][0].upper()}{answer['warning'][1:]}."
        undo.offer(visitor, message, answer["undo"], then)

    with Dialog(f"{action.title} {what}", action.effect) as dialog:
        field = dialog.text(action.wants[1]) if action.wants else None
        reason = dialog.text("Why? It is kept with the jobs.")
        typed = dialog.text("Type their number to confirm").props("inputmode=numeric")
        typed.set_visibility(False)
        if name == "cancel":
            dialog.does("Cancel jobs", act, danger=True, leave="Keep them")
        else:
            dialog.does(action.title, act, danger=action.danger)
    if field is None:
        await count()
    else:
        field.on("blur", count)


async def _as_of_now(visitor: Visitor, which: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same jobs, without those that come in while the dialog is open."""
    if "filter" not in which or "createdTo" in which["filter"]:
        return which
    try:
        now = (await visitor.ask.get("/me"))["now"]
    except Refused:
        return which  # the count that follows tells what is wrong
    return {**which, "filter": {**which["filter"], "createdTo": now}}


def _confirmed(able: int, typed: str | None, reason: str | None) -> int:
    """The number that somebody has typed. Raises ValueError unless it is the right one, with a reason."""
    if not (reason or "").strip():
        raise ValueError(f"Say why: {able:,} jobs will change.")
    if (typed or "").strip().replace(",", "") != str(able):
        raise ValueError(f"Type {able} to confirm: that many jobs will change.")
    return able


def _read(kind: Callable[[str], Any], value: str | None, label: str) -> Any:
    """What somebody typed, as the request wants it. Raises ValueError."""
    try:
        return kind((value or "").strip())
    except ValueError:
        raise ValueError(f"{label}: a whole number is needed.") from None


def _effect(answer: Mapping[str, Any]) -> str:
    able, matched = answer["able"], answer["matched"]
    if able == matched:
        return f"{able:,} job{'s' if able != 1 else ''} will change."
    rest = ", ".join(f"{number:,} {status}" for status, number in answer["unchanged"].items())
    stay = "stays as it is" if matched - able == 1 else "stay as they are"
    return f"{able:,} of {matched:,} will change; {rest} {stay}."
