"""One channel as a sender: what Apprise can tell about a message that it handed over.

No service of these says whether a message has arrived, and none can be asked for one: what was taken is
`unconfirmed` for good, and one whose answer was lost goes again, labelled.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hms_oms.messages.records import Dispatch
from hms_oms.runtime.errors import HmsError
from hms_ops.paging.channels import wire
from hms_ops.paging.channels.wire import Wire
from hms_ops.paging.senders import LookUpFailed, Outcome, Result, Sighting
from hms_ops.paging.senders.exchange import CONNECT_SECONDS, READ_SECONDS

if TYPE_CHECKING:
    from apprise.plugins.base import NotifyBase

log = logging.getLogger(__name__)

#: What a message is called where the service shows a title.
TITLE = "HMS"


class BadAddress(HmsError):
    """An address that nothing can be sent to; the message repeats none of it."""


class Channel:
    """Sends to `address`, which is never shown; with `public_url` a message leads to its incident."""

    local = False
    repeatable = False
    at_once = 1
    per_second = None
    remark: str | None = None

    def __init__(self, name: str, address: str, public_url: str | None = None) -> None:
        self.name = f"channel {name}"
        self._address = address
        self._public_url = public_url

    def send(self, texts: Sequence[Dispatch]) -> list[Outcome]:
        """Hand over one text."""
        (text,) = texts
        try:
            service = plugin(self._address)
        except BadAddress as error:
            return [Outcome(Result.REFUSED, fault=f"{self.name}: {error}")]
        with wire.watched(text.write_by) as watched:
            try:
                taken = bool(service.notify(title=TITLE, body=self._body(text)))
            except Exception as error:  # noqa: BLE001 (its words may hold the address)
                log.error("%s: %s", self.name, type(error).__name__)
                taken = False
        return [classify(taken, watched, is_told=_is_told(service))]

    def look_up(self, text: Dispatch) -> list[Sighting]:
        """Nobody can be asked. Raises LookUpFailed."""
        raise LookUpFailed(f"{self.name} tells nothing of text {text.id}")

    def _body(self, text: Dispatch) -> str:
        if self._public_url is None or text.reference is None:
            return text.body
        return f"{text.body}\n{self._public_url.rstrip('/')}/floor/incidents/{text.reference}"


def plugin(address: str) -> NotifyBase:
    """The service that an address is of. Raises BadAddress."""
    try:
        import apprise
        from apprise.common import PersistentStoreMode
    except ImportError:
        raise BadAddress("channels need Apprise: pip install 'hms-management-layer[channels]'") from None
    with wire.watched(float("-inf")):
        asset = apprise.AppriseAsset(
            async_mode=False, storage_mode=PersistentStoreMode.MEMORY, app_id="HMS", app_desc="HMS"
        )
        try:
            service = apprise.Apprise.instantiate(address, asset=asset)
        except Exception:  # noqa: BLE001 (its words may hold the address)
            service = None
    if service is None:
        raise BadAddress("this is no address that Apprise understands, or a part of it is missing")
    if len(service) != 1:
        raise BadAddress(f"this address leads to {len(service)} places: a channel is one, make one for each")
    service.socket_connect_timeout, service.socket_read_timeout = CONNECT_SECONDS, READ_SECONDS
    return service


def service_name(address: str) -> str:
    """Which service an address is of, as `Slack`. Raises BadAddress."""
    return str(plugin(address).service_name)


def classify(taken: bool, written: Wire, *, is_told: bool) -> Outcome:
    """What a hand-over came to; `is_told`: the wire hears of everything that this service writes."""
    if taken:
        return Outcome(Result.TAKEN, status="unconfirmed")
    status, code = written.status, written.smtp_code
    if written.late and not written.written:
        return Outcome(Result.NOT_SENT, fault="the time in which it may be written is over")
    if code is not None:
        kind = Result.REFUSED if code >= 500 else Result.NOT_SENT
        return Outcome(kind, code=str(code), fault=f"SMTP {code}")
    if is_told and not written.written:
        return Outcome(Result.NOT_SENT, fault="there was no connection")
    if status == 429:
        return Outcome(Result.BUSY, http_status=status, fault="HTTP 429")
    if status is not None and 400 <= status < 500 and status != 408:
        return Outcome(Result.REFUSED, http_status=status, fault=f"HTTP {status}")
    fault = "there was no answer" if status is None else f"HTTP {status}"
    return Outcome(Result.UNKNOWN, http_status=status, fault=fault)


def _is_told(service: NotifyBase) -> bool:
    """Whether a service writes by HTTP or SMTP alone; what others write, nobody hears of."""
    from apprise.plugins.email.base import NotifyEmail

    return isinstance(service, NotifyEmail) or hasattr(sys.modules[type(service).__module__], "requests")
