"""Calls to a sender, which never raise: a fault of the sender is an outcome like any other."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from hms_oms.messages.records import Dispatch
from hms_ops.paging import outcomes as attempts
from hms_ops.paging.senders import LookUpFailed, Outcome, Result, Sender, Sighting

log = logging.getLogger(__name__)


def send(sender: Sender, batch: Sequence[Dispatch]) -> list[Outcome]:
    """Hand over texts; one outcome for each, whatever happens."""
    try:
        outcomes = sender.send(batch)
        if len(outcomes) == len(batch):
            return outcomes
        fault = f"{len(outcomes)} outcomes for {len(batch)} texts"
        log.error("the %s sender failed: %s", sender.name, fault)
    except Exception as error:
        fault = type(error).__name__
        log.exception("the %s sender failed", sender.name)
    if len(batch) > 1 and sender.repeatable:
        # One of them is at fault: by itself it holds up no other.
        return [outcome for text in batch for outcome in send(sender, [text])]
    return [Outcome(Result.UNKNOWN, fault=f"the {sender.name} sender failed: {fault}", ours=True)] * len(
        batch
    )


def look_up(sender: Sender, *wordings: Dispatch) -> list[Sighting] | None:
    """All that the provider has under these wordings; None where it does not say."""
    try:
        return [sighting for text in dict.fromkeys(wordings) for sighting in sender.look_up(text)]
    except LookUpFailed as error:
        log.warning("text %d cannot be asked for: %s", wordings[0].id, error)
    except Exception:
        log.exception("the %s sender failed", sender.name)
    return None


def worded(text: Dispatch) -> Dispatch:
    """The text as it goes: labelled if it may have come before."""
    return replace(text, body=attempts.labelled(text.body)) if text.resend else text
