"""All channels of this machine as the pager has them: read again when their file changes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from hms_oms.messages.recipients import channel_of
from hms_oms.runtime.settings import Settings
from hms_ops.paging.channels import directory
from hms_ops.paging.channels.channel import Channel
from hms_ops.paging.channels.directory import BadChannels
from hms_ops.paging.senders import Outcome, Result

log = logging.getLogger(__name__)


class Channels:
    """The channels that the file of these settings names; `remark` says what is wrong with them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._read_at: tuple[int, int] | None = None
        self._channels: Mapping[str, Channel] = {}
        self._fault: str | None = None
        self._faults: dict[str, str] = {}

    @property
    def names(self) -> Sequence[str]:
        """The names of the channels."""
        self._refresh()
        return sorted(self._channels)

    @property
    def remark(self) -> str | None:
        """What is wrong with the file, or with channels that did not take their last text."""
        faults = [f"channel {name}: {fault}" for name, fault in sorted(self._faults.items())]
        return "; ".join([*filter(None, [self._fault]), *faults]) or None

    def of(self, recipient: str) -> Channel | None:
        """The channel that a recipient is; None if it is a phone, or there is no such channel."""
        name = channel_of(recipient)
        if name is None:
            return None
        self._refresh()
        return self._channels.get(name)

    def note(self, recipient: str, outcome: Outcome) -> None:
        """Learn from an outcome."""
        name = channel_of(recipient)
        if name is None:
            return
        if outcome.result is Result.TAKEN:
            self._faults.pop(name, None)
        elif outcome.fault is not None:
            self._faults[name] = outcome.fault

    def _refresh(self) -> None:
        try:
            state = directory.path(self._settings).stat()
            stamp = (state.st_mtime_ns, state.st_ino)
        except OSError:
            stamp = (0, 0)
        if stamp == self._read_at:
            return
        self._read_at, self._fault = stamp, None
        try:
            addresses = directory.read(self._settings)
        except BadChannels as error:
            # Those that were known stay.
            self._fault = str(error)
            log.error("%s", error)
            return
        public_url = self._settings.public_url
        self._channels = {name: Channel(name, address, public_url) for name, address in addresses.items()}
        self._faults = {name: fault for name, fault in self._faults.items() if name in addresses}
