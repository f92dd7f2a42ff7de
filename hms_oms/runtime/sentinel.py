"""Redis behind Sentinel: one URL names the sentinels and the master's name, and every client asks them.

`sentinel://user:password@one:26379,two:26379,three:26379/0?master_name=hms`; user and password are those of
Redis. A client asks the sentinels at each new connection, so after a failover it finds the new master.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from hms_oms.runtime import server_urls

if TYPE_CHECKING:
    from celery import Celery

SCHEME = "sentinel://"


def client(url: str, **options: Any) -> redis.Redis:
    """A client of the Redis at `url`, directly or by its sentinels."""
    if not url.startswith(SCHEME):
        return redis.Redis.from_url(server_urls.plain(url), **options)
    user, hosts, number, master = _read(url)
    signs_in = dict(zip(("username", "password"), user, strict=False))
    # The sentinels are asked with the same patience, and without the password of Redis.
    every = [_pair(host) for host in hosts]
    sentinels = Sentinel(every, sentinel_kwargs=options)  # type: ignore[no-untyped-call]
    made: redis.Redis = sentinels.master_for(  # type: ignore[no-untyped-call]
        master, db=number, **signs_in, **options
    )
    return made


def impatient_client(url: str, seconds: float) -> redis.Redis:
    """A client that waits so long for a connection or an answer, and does not ask again by itself."""
    return client(url, socket_timeout=seconds, socket_connect_timeout=seconds, retry=Retry(NoBackoff(), 0))


def configure(app: Celery, url: str) -> None:
    """Have a Celery application use the broker at `url`."""
    app.conf.broker_url = for_kombu(url)
    app.conf.broker_transport_options = {**app.conf.broker_transport_options, **options(url)}


def for_kombu(url: str) -> str:
    """The same broker as kombu spells it: a URL for each sentinel."""
    if not url.startswith(SCHEME):
        return url
    place = url.partition("?")[0].removeprefix(SCHEME)
    before, at, rest = place.rpartition("@")
    hosts, slash, number = rest.partition("/")
    return ";".join(f"{SCHEME}{before}{at}{host}{slash}{number}" for host in hosts.split(","))


def options(url: str) -> dict[str, str]:
    """What kombu has to be told besides."""
    return {"master_name": _read(url)[3]} if url.startswith(SCHEME) else {}


def _read(url: str) -> tuple[tuple[str | None, ...], list[str], int, str]:
    place, _, query = url.removeprefix(SCHEME).partition("?")
    before, _, rest = place.rpartition("@")
    hosts, _, number = rest.partition("/")
    user, _, password = before.partition(":")
    signs_in = tuple(unquote(word) or None for word in (user, password))
    return signs_in, hosts.split(","), int(number or 0), dict(parse_qsl(query))["master_name"]


def _pair(host: str) -> tuple[str, int]:
    name, _, port = host.rpartition(":")
    return name.strip("[]"), int(port)
