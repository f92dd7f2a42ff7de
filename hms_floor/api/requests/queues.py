"""Request models of changes to a queue."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from hms_floor.api.requests.requests import MOST, Minutes, Reasoned, whole


class Pause(Reasoned):
    """A pause; with `dryRun` nothing is paused, but told what it would do."""

    dry_run: bool = False


class Limits(Reasoned):
    """Limits of a queue: what is left out stays, null takes a limit away; with `dryRun` nothing is set."""

    dry_run: bool = False
    window: Annotated[int, Field(ge=0, le=MOST), BeforeValidator(whole)] | None = None
    starts_per_minute: Annotated[int, Field(ge=1, le=MOST), BeforeValidator(whole)] | None = None
    at_once: Annotated[int, Field(ge=1, le=MOST), BeforeValidator(whole)] | None = None


class QueuePolicy(Reasoned):
    """How the jobs of a queue are put in order; without one, or with `dryRun`, nothing is changed."""

    dry_run: bool = False
    policy: Literal["most-on-time", "deadline", "fifo", "defer"] | None = None


class SetSla(Reasoned):
    """Minutes that a job of the queue has from now on; with `dryRun` nothing is set."""

    minutes: Minutes
    dry_run: bool = False
