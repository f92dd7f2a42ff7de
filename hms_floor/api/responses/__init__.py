"""What the API answers, as documents: camelCase, times RFC 3339 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

Moment = Annotated[datetime, AfterValidator(lambda when: when.astimezone(UTC))]
Json = dict[str, Any]


class Answer(BaseModel):
    """A document of the API."""

    model_config = ConfigDict(from_attributes=True, alias_generator=to_camel, populate_by_name=True)
