"""Recipients of texts: a phone in E.164, or a channel by its name, as in `channel:ops-slack`.

The name is all that the ledger has of a channel: its address is a secret, and stands nowhere in it.
"""

from __future__ import annotations

#: What begins the recipient of a text to a channel.
CHANNEL = "channel:"
#: The names that channels may have, as a regular expression.
CHANNEL_NAME = "[a-z][a-z0-9-]{0,39}"


def of_channel(name: str) -> str:
    """The recipient of texts to a channel."""
    return CHANNEL + name


def channel_of(recipient: str) -> str | None:
    """The name of the channel that a recipient is, None if it is a phone."""
    return recipient.removeprefix(CHANNEL) if recipient.startswith(CHANNEL) else None
