"""Request model of test pages."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from hms_floor.api.requests.requests import Phone, Reasoned
from hms_oms.messages.recipients import CHANNEL_NAME, of_channel


class TestPage(Reasoned):
    """A phone, or a channel, that a test page goes to."""

    to: Phone | None = None
    channel: Annotated[
        str | None,
        Field(pattern=f"^{CHANNEL_NAME}$", description="In place of `to`.", examples=["ops-slack"]),
    ] = None

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.to is None) == (self.channel is None):
            raise ValueError("name a phone (`to`) or a `channel`: one of the two")
        return self

    @property
    def recipient(self) -> str:
        """The recipient of the text."""
        return self.to or of_channel(self.channel or "")
