"""What can go wrong with a request, as data: made by a test, obeyed by the provider's process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: What becomes of a text: its statuses in their order, each with the code of its failure.
Life = tuple[tuple[str, int | None], ...]

DELIVERED: Life = (("sent", None), ("delivered", None))
FAILED = ("undelivered", "failed")
BAD_CALLBACK = 21609
_HTML = {"Content-Type": "text/html"}
_BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"


@dataclass(frozen=True, slots=True)
class Fault:
    """How a request is answered, and what becomes of its text.

    `on` is "send", "list" or "fetch"; `to` narrows it to one phone; it holds for so many `times` (None: from
    now on). `accepted` says whether the text goes out although the answer tells nothing of it. `answer` is
    "ordinary"; "dropped" or "reset" for none at all; or "raw" for this `status`, `body` and `headers`, or the
    error document of a Twilio `code`. A `hold` keeps the request until it is released: before anything is
    read of it, or when the text is `accepted`, before it is answered. With `drip_seconds` the answer comes
    byte by byte.

    Then what concerns the text itself: so many lists do not show it yet (`lag`), its `life`, the order of its
    `callbacks` (by default its life), `when` they come ("after" the answer, "early", "held" until released,
    "never"), how many `copies`, and whether its handset is `reached` (by default unless it fails).
    """

    on: str = "send"
    to: str | None = None
    times: int | None = 1
    accepted: bool = False
    answer: str = "ordinary"
    status: int = 200
    body: str | None = None
    code: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    hold: bool = False
    drip_seconds: float = 0.0
    lag: int = 0
    life: Life = DELIVERED
    callbacks: Life | None = None
    when: str = "after"
    copies: int = 1
    reached: bool | None = None

    @property
    def reaches(self) -> bool:
        """Whether the text gets to its handset."""
        return not any(status in FAILED for status, _ in self.life) if self.reached is None else self.reached


def parse(document: Mapping[str, Any]) -> Fault:
    """A fault from its JSON document."""
    lists = {
        name: tuple((status, code) for status, code in document[name])
        for name in ("life", "callbacks")
        if document.get(name) is not None
    }
    return Fault(**{**document, **lists})


def dropped(accepted: bool = True, **more: Any) -> Fault:
    """The connection is closed without an answer."""
    return Fault(accepted=accepted, answer="dropped", **more)


def reset(accepted: bool = True, **more: Any) -> Fault:
    """The connection is reset without an answer."""
    return Fault(accepted=accepted, answer="reset", **more)


def refused(code: int, status: int = 400, **more: Any) -> Fault:
    """A definite no with a code of Twilio's, as 21211, 21610 or 20003."""
    return Fault(answer="raw", status=status, code=code, **more)


def unauthorized(**more: Any) -> Fault:
    """The credentials are not good."""
    return refused(20003, 401, **more)


def too_many(retry_after: int | None = 1, **more: Any) -> Fault:
    """429: not taken, come again."""
    return refused(20429, 429, headers=_retry(retry_after), **more)


def unavailable(retry_after: int | None = None, accepted: bool = False, **more: Any) -> Fault:
    """503: unavailable, perhaps with the time to come again."""
    return refused(20503, 503, headers=_retry(retry_after), accepted=accepted, **more)


def broken(accepted: bool = True, **more: Any) -> Fault:
    """500, perhaps after the text was taken."""
    return refused(20500, 500, accepted=accepted, **more)


def bad_gateway(accepted: bool, **more: Any) -> Fault:
    """502 with a page of HTML, from something between us and the provider."""
    return Fault(accepted=accepted, answer="raw", status=502, body=_BAD_GATEWAY, headers=_HTML, **more)


def empty(**more: Any) -> Fault:
    """201 with an empty document: taken, but under which sid?"""
    return Fault(accepted=True, answer="raw", status=201, body="{}", **more)


def garbled(**more: Any) -> Fault:
    """201 with something that is not JSON."""
    return Fault(accepted=True, answer="raw", status=201, body="<ok/>", headers=_HTML, **more)


def dripping(seconds: float, **more: Any) -> Fault:
    """Taken, and answered byte by byte with so many seconds between them."""
    return Fault(accepted=True, drip_seconds=seconds, **more)


def held(accepted: bool, **more: Any) -> Fault:
    """Kept until it is released: unread, or taken but not answered."""
    return Fault(accepted=accepted, hold=True, **more)


def failing(code: int, status: str = "undelivered", **more: Any) -> Fault:
    """Taken and answered; later it turns out that it does not arrive, as 30003 or 30008."""
    return Fault(life=(("sent", None), (status, code)), **more)


def list_down(times: int | None = None, **more: Any) -> Fault:
    """The list of messages is unavailable."""
    return refused(20503, 503, on="list", times=times, **more)


def _retry(seconds: int | None) -> Mapping[str, str]:
    return {} if seconds is None else {"Retry-After": str(seconds)}
