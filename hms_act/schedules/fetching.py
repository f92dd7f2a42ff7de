"""Fetches a file from an https URL: from a host that is allowed, with limits, and never from another host."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from pathlib import PurePosixPath
from urllib.parse import urljoin, urlsplit

import httpx

from hms_act.schedules.spool import Spooled, spool
from hms_oms.recipes.schedules.written import shown
from hms_oms.runtime.errors import HmsError

#: The most that may pass without a sign of the other side, and until all has come, in seconds.
SILENCE_SECONDS, WHOLE_SECONDS = 10.0, 300.0
#: So many redirects within the host are followed.
MOST_REDIRECTS = 3


class NotFetched(HmsError):
    """A file has not been fetched; the message says why to people."""


def host_fault(source: str, allowed: Collection[str]) -> str | None:
    """Why a URL's host may not be asked, or None."""
    host = urlsplit(source).hostname or ""
    if host in allowed:
        return None
    return f"files may not be fetched from {host}: HMS_INCOMING_HOSTS does not name it"


def name_of(source: str) -> str:
    """What the file behind a URL is called."""
    return PurePosixPath(urlsplit(source).path).name or (urlsplit(source).hostname or "file")


def fetch(source: str, allowed: Collection[str], client: httpx.Client, give_up_at: float) -> Spooled:
    """Fetch a file. `give_up_at` is when all must have come, by the monotonic clock.

    Raises NotFetched, and TooLarge.
    """
    fault = host_fault(source, allowed)
    if fault is not None:
        raise NotFetched(fault)
    address = source
    try:
        for _ in range(MOST_REDIRECTS + 1):
            with client.stream("GET", address, follow_redirects=False) as answer:
                if not answer.is_redirect:
                    return _content(source, answer, give_up_at)
                address = _target(source, address, answer)
    except httpx.HTTPError as error:
        raise NotFetched(f"{shown(source)} does not answer: {type(error).__name__}") from None
    raise NotFetched(f"{shown(source)} leads from one address to the next")


def _content(source: str, answer: httpx.Response, give_up_at: float) -> Spooled:
    if answer.status_code in (404, 410):
        raise NotFetched(f"there is no file at {shown(source)} yet")
    if answer.status_code != 200:
        raise NotFetched(f"{shown(source)} answers {answer.status_code}")
    return spool(_in_time(source, answer, give_up_at))


def _in_time(source: str, answer: httpx.Response, give_up_at: float) -> Iterator[bytes]:
    for piece in answer.iter_bytes():
        if time.monotonic() > give_up_at:
            raise NotFetched(f"{shown(source)} has not come whole within {WHOLE_SECONDS:g} s")
        yield piece


def _target(source: str, address: str, answer: httpx.Response) -> str:
    """Where a redirect leads. Raises NotFetched if that is another host, or no https."""
    target = urljoin(address, answer.headers.get("location", ""))
    before, after = urlsplit(address), urlsplit(target)
    if (after.scheme, after.netloc) != (before.scheme, before.netloc):
        raise NotFetched(f"{shown(source)} leads to another host, {after.hostname}, which is not followed")
    return str(target)
