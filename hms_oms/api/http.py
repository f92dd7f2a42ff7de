"""The wire to the API: one request and its answer in JSON, tried again where that is safe.

A GET may be repeated, and so may what the API does once however often it is asked: those are `safe`.
Anything else is repeated only where the API cannot have begun with it: it was not reached, or it refused to
listen (429). Where the answer to such a request is lost, Unavailable says so by `maybe_done`, and anyone who
asked decides.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from secrets import SystemRandom
from typing import IO, Any, Self
from urllib.parse import quote

import httpx

from hms_oms.api import endpoint, errors
from hms_oms.api.errors import ApiError, TooManyRequests, Unavailable

#: How often a request is made at most.
TRIES = 4
#: Seconds before the second try, at most; twice as many before each one after it ...
FIRST_PAUSE = 0.25
#: ... and never more than this.
LONGEST_PAUSE = 5.0
#: If the API wants to be left alone for longer than this, the caller hears of it instead.
LONGEST_REQUEST = 30.0
#: Seconds until a connection stands, and until an answer begins or goes on.
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
#: An idle connection is given up before the API does so: a request must not cross its goodbye.
IDLE_SECONDS = 3.0

#: No answer, or one that may be another in a moment.
_PASSING = (0, 502, 503, 504)
_RANDOM = SystemRandom()
#: The request has not left this machine, or not as a whole.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Wire:
    """A way to the API; threads may share it, forked processes may not."""

    def __init__(self, url: str | None = None, badge: str | None = None) -> None:
        """Find API and badge as `address.find` does. Raises ConfigError and Unauthorized."""
        address = endpoint.find(url, badge)
        self._told = url, badge
        here = endpoint.is_here(address.url)
        self.url = address.url
        self._http = httpx.Client(
            base_url=address.url,
            headers={"Authorization": f"Bearer {address.badge}", "Accept": "application/json"},
            timeout=httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS),
            limits=httpx.Limits(keepalive_expiry=IDLE_SECONDS),
            # A proxy in the environment does not lead to this machine.
            trust_env=not here,
            # Without TLS there is nothing to verify, and reading the authorities takes a while.
            verify=not address.url.startswith("http:"),
        )

    def close(self) -> None:
        """Give up the connections."""
        self._http.close()

    def get(self, path: str, **query: Any) -> Any:
        """What is at `path`; None in the query asks for nothing."""
        return self.send("GET", path, query=query, safe=True)

    def post(self, path: str, document: Mapping[str, Any], *, safe: bool = False) -> Any:
        """Have something done; None where the API has nothing to say to it."""
        return self.send("POST", path, json=document, safe=safe)

    def put(self, path: str, document: Mapping[str, Any]) -> Any:
        """Have something set. Not repeated: each time is one more line in a history."""
        return self.send("PUT", path, json=document)

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        safe: bool = False,
        tries: int = TRIES,
        answer_seconds: float = ANSWER_SECONDS,
        **body: Any,
    ) -> Any:
        """Make a request, again where that is safe, and return what the answer holds. Raises ApiError.

        `body` is `json=` or `content=`; what comes from a stream can be sent once, with `tries` 1.
        """
        timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS, read=answer_seconds)
        request = self._http.build_request(method, path, params=_asked(query), timeout=timeout, **body)
        tried = 1
        while True:
            try:
                return self._once(request)
            except errors.Unauthorized:
                if tries == 1 or tried > 1 or not self._renew(request):
                    raise
                tried += 1
                continue
            except ApiError as error:
                if isinstance(error, Unavailable) and method == "GET":
                    error.maybe_done = False  # who only asks has done nothing
                pause = _pause(error, tried, safe=safe)
                if pause is None or tried == tries:
                    raise
            time.sleep(pause)
            tried += 1

    def download(self, path: str, file: IO[bytes], **query: Any) -> None:
        """Write what is at `path` into a file, as it comes. Raises ApiError."""
        try:
            with self._http.stream("GET", path, params=_asked(query)) as answer:
                if not answer.is_success:
                    raise errors.of(answer.status_code, answer.headers, answer.read())
                for piece in answer.iter_bytes():
                    file.write(piece)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None

    def pages(self, path: str, name: str, **query: Any) -> Iterator[Any]:
        """Everything in a list, page by page, as far as it is read; `name` is what the list is called."""
        while True:
            page = self.get(path, **query)
            yield from page[name]
            if page["next"] is None:
                return
            query["cursor"] = page["next"]

    @contextmanager
    def listening(self, path: str, *, silence: float, last_id: str | None) -> Iterator[Iterator[bytes]]:
        """The bytes of an answer that does not end; Unavailable after `silence` seconds without any."""
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        if last_id:
            headers["Last-Event-ID"] = last_id
        timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS, read=silence)
        try:
            with self._http.stream("GET", path, headers=headers, timeout=timeout) as answer:
                if answer.status_code != 200:
                    raise errors.of(answer.status_code, answer.headers, answer.read())
                yield answer.iter_bytes()
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None

    def _renew(self, request: httpx.Request) -> bool:
        """Take up the badge that the running floor has made since; whether there is another one."""
        shown = f"Bearer {endpoint.find(*self._told).badge}"
        if shown == self._http.headers["Authorization"]:
            return False
        self._http.headers["Authorization"] = request.headers["Authorization"] = shown
        return True

    def _once(self, request: httpx.Request) -> Any:
        try:
            answer = self._http.send(request)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None
        if not answer.is_success:
            raise errors.of(answer.status_code, answer.headers, answer.content)
        if not answer.content:
            return None
        try:
            return answer.json()
        except ValueError:
            what = f"what answers at {self.url} is not the API: it does not speak JSON"
            raise Unavailable(what, status=answer.status_code) from None

    def _unreachable(self, error: httpx.HTTPError) -> Unavailable:
        if isinstance(error, _NOT_SENT):
            return Unavailable(f"the API at {self.url} cannot be reached: {error or type(error).__name__}")
        why = "took too long to answer" if isinstance(error, httpx.TimeoutException) else "broke off"
        return Unavailable(f"the API at {self.url} {why}", maybe_done=True)


def path(*parts: str | int) -> str:
    """The path of a thing, whatever its name holds."""
    return "".join(f"/{quote(str(part), safe='')}" for part in parts)


class Client:
    """What the clients share: a wire, found as `HMS_URL` and `HMS_BADGE` or the running floor say."""

    def __init__(self, url: str | None = None, badge: str | None = None) -> None:
        """Raises ConfigError where no API is known, Unauthorized where there is no badge for it."""
        self._wire = Wire(url, badge)

    def close(self) -> None:
        """Give up the connections."""
        self._wire.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _pause(error: ApiError, tried: int, *, safe: bool) -> float | None:
    """Seconds until the next try; None where there should be none."""
    if isinstance(error, TooManyRequests):
        seconds = error.retry_after or 0.0
        return None if seconds > LONGEST_REQUEST else max(seconds, jitter(tried))
    if isinstance(error, Unavailable) and error.status in _PASSING and (safe or not error.maybe_done):
        return jitter(tried)
    return None


def jitter(tried: int) -> float:
    """Seconds to wait after so many failures: longer from one to the next, and never as long as others."""
    # Spread over the whole interval, so that those who were turned away together do not return together.
    return _RANDOM.uniform(0.0, min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (tried - 1)))


def _asked(query: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (query or {}).items() if value is not None}
