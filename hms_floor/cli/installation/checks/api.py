"""Check the API: whether it answers, takes the badge, and sees the other parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import httpx

from hms_floor.cli.installation.checks.finding import Finding
from hms_oms.api import endpoint
from hms_oms.api.errors import ApiError, Unavailable
from hms_oms.api.http import Wire
from hms_oms.runtime.errors import ConfigError
from hms_ops.health import BAD, OK, WARN

#: How long each answer of the API is waited for, in seconds.
ANSWER_SECONDS = 4.0

_LIGHTS = {"ok": OK, "warn": WARN, "bad": BAD, "unknown": BAD}


def api(place: str | None, *, alone: bool) -> Sequence[Finding]:
    """Whether the API answers; `alone`: it is the only one that can be asked, so it speaks for all."""
    if place is None:
        advice = "`hms up` starts all, `hms floor run` this; or set HMS_URL and HMS_BADGE"
        return [Finding("API", BAD, "none is known here: HMS_URL is not set", advice)]
    try:
        wire = Wire()
    except (ConfigError, ApiError) as error:
        return [Finding("API", BAD, str(error), "HMS_BADGE holds the badge, `hms badge issue` makes one")]
    try:
        return list(_answers(wire, alone=alone))
    except ApiError as error:
        refused = error.status in (401, 403)
        advice = "`hms badge issue` makes another badge" if refused else "is `hms floor run` up?"
        return [Finding("API", BAD, str(error), advice)]
    finally:
        wire.close()


def _answers(wire: Wire, *, alone: bool) -> Iterator[Finding]:
    parts = _parts(wire.url)
    me = wire.send("GET", "/me", tries=1, answer_seconds=ANSWER_SECONDS)
    roles = ", ".join(me["roles"])
    sees = "; ".join(
        part["words"] for part in parts if part["light"] == "bad" and part["name"] != "incidents"
    )
    detail = f"answers at {wire.url}, badge of {me['actor']} ({roles})"
    if sees and not alone:
        yield Finding("API", WARN, f"{detail}; it says: {sees}")
    else:
        yield Finding("API", OK, detail)
    if alone:
        for part in parts:
            yield Finding(part["name"], _LIGHTS[part["light"]], part["words"])


def _parts(url: str) -> list[dict[str, Any]]:
    """Parts from the document of /healthz, whatever its status. Raises Unavailable."""
    try:
        answer = httpx.get(
            f"{url}/healthz",
            timeout=ANSWER_SECONDS,
            trust_env=not endpoint.is_here(url),
            verify=url[:5] != "http:",
        )
        parts: list[dict[str, Any]] = answer.json()["parts"]
    except httpx.TimeoutException:
        raise Unavailable(f"{url} does not answer: asked for {ANSWER_SECONDS:g} s") from None
    except httpx.HTTPError as error:
        raise Unavailable(f"{url} cannot be reached: {error or type(error).__name__}") from None
    except (ValueError, LookupError, TypeError):
        raise Unavailable(f"what answers at {url} is not the API of this version") from None
    return parts
