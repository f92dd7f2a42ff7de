"""Senders: how a text leaves this machine. A plug point; three are here: log, twilio and webhook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from hms_oms.messages.records import Dispatch
from hms_oms.runtime.errors import HmsError
from hms_oms.runtime.settings import Settings


class Result(Enum):
    """Result of handing over one text."""

    #: The provider has it: the outcome's `status` is accepted, sent or delivered.
    TAKEN = "taken"
    #: It surely did not get there.
    NOT_SENT = "not sent"
    #: It was turned away because there are too many.
    BUSY = "busy"
    #: Nobody can tell: the answer was lost.
    UNKNOWN = "unknown"
    #: Not this text is at fault but our credentials or addresses.
    MISCONFIGURED = "misconfigured"
    #: A definite no to this text.
    REFUSED = "refused"
    #: The person has asked for no more texts.
    OPTED_OUT = "opted out"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How handing over one text went; `retry_after` is what the provider asks for, in seconds.

    `ours`: the fault lies with us, not with this text, and is told as one of the whole sender.
    """

    result: Result
    status: str = "accepted"
    sid: str | None = None
    http_status: int | None = None
    code: str | None = None
    fault: str | None = None
    retry_after: float | None = None
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Sighting:
    """A text as the provider has it; `status` is accepted, sent, delivered, undelivered or failed."""

    sid: str
    status: str
    code: str | None = None
    created_at: datetime | None = None


class LookUpFailed(HmsError):
    """The provider could not tell what became of a text."""


class Sender(Protocol):
    """A sender of texts.

    A `local` one does not leave this machine: its calls do not block and have no rate. With a `repeatable`
    one handing over the same text again is harmless: it knows the text by its token. `at_once` is how many
    texts one call may hand over, `per_second` how many texts to applicants may go in a second (None: any).
    """

    @property
    def name(self) -> str:
        """Name of the sender in attempts."""

    @property
    def local(self) -> bool:
        """Whether it does not leave this machine."""

    @property
    def repeatable(self) -> bool:
        """Whether handing over again is harmless."""

    @property
    def at_once(self) -> int:
        """How many texts one call takes."""

    @property
    def per_second(self) -> float | None:
        """The rate for texts to applicants."""

    @property
    def remark(self) -> str | None:
        """Warning for people although texts go; None if there is none."""

    def send(self, texts: Sequence[Dispatch]) -> list[Outcome]:
        """Hand over up to `at_once` texts; one outcome for each, whatever happens.

        Not a byte of a text may be written after its `write_by`.
        """

    def look_up(self, text: Dispatch) -> list[Sighting]:
        """The texts that may be this one: by its sid where it is known, else by phone and wording.

        Raises LookUpFailed.
        """


def make(settings: Settings) -> Sender:
    """The sender that the settings choose."""
    # Each brings libraries that the others can do without.
    if settings.sender_name == "twilio":
        from hms_ops.paging.senders.twilio import Twilio

        return Twilio.of(settings)
    if settings.sender_name == "webhook":
        from hms_ops.paging.senders.webhook import Webhook

        return Webhook.of(settings)
    from hms_ops.paging.senders.log import Log

    settings.home.mkdir(parents=True, exist_ok=True)
    return Log(settings.home / "handset.log")
