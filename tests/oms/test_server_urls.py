"""The URLs of servers: what leaves no doubt is taken, everything else is refused without being quoted."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import redis
from hypothesis import given
from hypothesis import settings as settings_of_test
from hypothesis import strategies as st
from kombu.utils.url import parse_url
from sqlalchemy import make_url

from hms_floor.local import embedded
from hms_oms.database import connections
from hms_oms.runtime import sentinel, server_urls, settings
from hms_oms.runtime.errors import ConfigError

SECRET = "hunter2"
TAKEN = [
    "postgresql://hms:hunter2@db.example:5432/hms",
    "postgres://hms@db/hms?sslmode=verify-full&sslrootcert=/etc/ca.pem",
    "postgresql+psycopg2://hms:hunter2@[::1]:5432/hms",
    "postgresql://hms:hunter2@a:5432,b:5433/hms?target_session_attrs=read-write",
    "postgresql://hms@/hms?host=/run/postgres",
    "postgresql:///hms?host=/run/postgres&port=5432",
    "redis://127.0.0.1:6379/0",
    "redis://:hunter2@redis.example:6379/3",
    "redis://user:hunter2@[::1]:6379",
    "rediss://:hunter2@redis.example:6380/0?ssl_ca_certs=/etc/ca.pem",
    "redis+socket:///run/redis.sock?virtual_host=3",
    "redis+socket:///run/redis.sock",
    "sentinel://a:26379/0?master_name=hms",
    "sentinel://user:hunter2@a:26379,b:26380,[::1]:26379/3?master_name=hms",
]
REFUSED = [
    ("postgresql://hms:hun/ter2@db/hms", "ends them too early"),
    ("postgresql://hms:hun?ter2@db/hms", "ends them too early"),
    ("postgresql://hms:hun#ter2@db/hms", "holds a '#'"),
    ("postgresql://hms:hun@ter2@db/hms", "ends them too early"),
    ("postgresql://hms:hun ter2@db/hms", "white space"),
    ("postgresql://hms:hun%ter2@db/hms", "'%' that begins no code"),
    ("postgresql://hms:hunter2@db:54x2/hms", "is not a port"),
    ("postgresql://hms:hunter2@db:5432/hms/more", "one database"),
    ("postgresql://hms:hunter2@/hms", "names no host"),
    ("postgresql://hms@db/hms?password=hunter2", "belongs before the '@'"),
    ("postgresql://hms@db/hms?sslmod=require", "sslmod is not an option here"),
    ("postgresql://hms@db,/hms", "the host is not a name"),
    ("redis://:hun/ter2@realhost:6379/0", "ends them too early"),
    ("redis://:p#hunter2@realhost/0", "holds a '#'"),
    ("redis://:hun]ter2@realhost/0", "holds a bracket"),
    ("redis://:hun[]ter2@realhost/0", "holds a bracket"),
    ("postgresql://hms:[hunter2@db/hms", "holds a bracket"),
    ("redis://:hunter2@/0", "must name one host"),
    ("redis://:hunter2@a,b/0", "must name one host"),
    ("redis://:hunter2@host/zero", "number of a database"),
    ("redis://::1:6379/0", "the host is not a name"),
    ("redis://host/0?db=3", "db is not an option here"),
    ("rediss://:hunter2@host/0?ssl_cert_reqs=none", "a certificate is always checked"),
    ("rediss://:hunter2@host/0?ssl_cert_reqs=CERT_NONE", "a certificate is always checked"),
    ("rediss://:hunter2@host/0?ssl_check_hostname=false", "a certificate is always checked"),
    ("redis+socket://run/redis.sock", "whole path"),
    ("redis+socket:///run/redis.sock?virtual_host=x", "must be the number"),
    ("sentinel://:hunter2@a:26379/0", "needs ?master_name=NAME"),
    ("sentinel://:hunter2@a,b:26379/0?master_name=hms", "each sentinel with its port"),
    ("sentinel://:hunter2@a:26379/x?master_name=hms", "number of a database"),
    ("sentinel://:hunter2@a:26379/0?master=hms", "master is not an option here"),
    ("amqp://guest:hunter2@host/", "must begin with one of"),
    ("hunter2", "must begin with one of"),
]


def parse(text: str) -> str:
    return server_urls.database(text) if text.startswith("postgres") else server_urls.broker(text)


@pytest.mark.parametrize("text", TAKEN)
def test_a_url_without_doubt_is_taken(text: str) -> None:
    """Every form that the documents name is taken, and its mask shows no password."""
    parse(text)
    assert SECRET not in server_urls.masked(text)


@pytest.mark.parametrize(("text", "why"), REFUSED)
def test_a_url_with_a_doubt_is_refused_and_not_quoted(text: str, why: str) -> None:
    """The message says what is wrong; neither it nor the mask repeats a piece of the password."""
    name = "HMS_DATABASE_URL" if text.startswith("postgres") else "HMS_BROKER_URL"
    with pytest.raises(ConfigError) as refused:
        settings.load({name: text})
    assert why in str(refused.value)
    for shown in (str(refused.value), server_urls.masked(text)):
        assert "hun" not in shown
        assert "ter2" not in shown


def test_a_lone_word_before_the_host_of_redis_is_masked() -> None:
    """It is a user by the grammar, and a password by intent."""
    shown = server_urls.masked("redis://secretPassword123@127.0.0.1:1/0")
    assert shown == "redis://***@127.0.0.1:1/0"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://hms:hunter2@db:5432/hms", "postgresql://hms:***@db:5432/hms"),
        ("redis://:hunter2@db:6379/0", "redis://:***@db:6379/0"),
        ("redis+socket:///run/r.sock?virtual_host=3", "redis+socket:///run/r.sock?virtual_host=3"),
        ("postgresql://hms:hun/ter2@db/hms", "postgresql://***"),
        ("hunter2", "***"),
        ("hunter2://x", "hunter2://***"),
    ],
)
def test_what_is_shown_of_a_url(text: str, shown: str) -> None:
    """Scheme, user and place are shown where the URL can be read, else the scheme alone."""
    assert server_urls.masked(text) == shown


@settings_of_test(max_examples=60)
@given(st.text(max_size=12), st.text(max_size=12), st.sampled_from(["redis", "postgresql"]))
def test_every_reader_finds_the_same_server(user: str, password: str, scheme: str) -> None:
    """What is taken leads kombu, redis-py and SQLAlchemy to the host that it names."""
    text = f"{scheme}://{user}:{password}@right.example:1234/5"
    try:
        taken = parse(text)
    except ValueError:
        return
    if scheme == "redis":
        assert (parse_url(taken)["hostname"], parse_url(taken)["port"]) == ("right.example", 1234)
        client = redis.Redis.from_url(server_urls.plain(taken)).connection_pool.connection_kwargs
        assert (client["host"], client["port"], client["db"]) == ("right.example", 1234, 5)
    else:
        read = make_url(taken)
        assert (read.host, read.port, read.database) == ("right.example", 1234, "5")


def test_tls_is_checked_by_every_reader() -> None:
    """One spelling, `rediss://`, has kombu and redis-py verify certificate and host name."""
    taken = server_urls.broker("rediss://:p@redis.example:6380/0?ssl_ca_certs=/etc/ca.pem")
    of_kombu = parse_url(taken)["ssl"]
    assert of_kombu["ssl_cert_reqs"].name == "CERT_REQUIRED"
    assert of_kombu["ssl_check_hostname"] is True
    assert of_kombu["ssl_ca_certs"] == "/etc/ca.pem"
    of_redis = redis.Redis.from_url(taken).connection_pool.connection_kwargs
    assert (of_redis["ssl_cert_reqs"], of_redis["ssl_check_hostname"]) == ("required", True)


def test_sentinels_are_the_same_for_every_reader() -> None:
    """kombu gets a URL for each sentinel and the master's name; redis-py asks the same ones."""
    url = server_urls.broker("sentinel://user:p%40ss@a:26379,[::1]:26380/3?master_name=hms")
    entry = sentinel.for_kombu(url).split(";")
    assert [(parse_url(item)["hostname"], parse_url(item)["port"]) for item in entry] == [
        ("a", 26379),
        ("::1", 26380),
    ]
    assert {parse_url(item)["password"] for item in entry} == {"p@ss"}
    assert sentinel.options(url) == {"master_name": "hms"}
    pool: Any = sentinel.client(url, socket_timeout=5).connection_pool
    kept = [item.connection_pool.connection_kwargs for item in pool.sentinel_manager.sentinels]
    assert [(item["host"], item["port"], item["socket_timeout"]) for item in kept] == [
        ("a", 26379, 5),
        ("::1", 26380, 5),
    ]
    output = pool.connection_kwargs
    assert (output["username"], output["password"], output["db"]) == ("user", "p@ss", 3)
    assert pool.service_name == "hms"


def test_a_socket_keeps_its_database_for_every_reader() -> None:
    """Celery's `virtual_host` is redis-py's `db`."""
    url = server_urls.plain("redis+socket:///run/redis.sock?virtual_host=3")
    client = redis.Redis.from_url(url).connection_pool.connection_kwargs
    assert (client["path"], client["db"]) == ("/run/redis.sock", 3)


def test_of_several_hosts_the_one_that_answers_is_used(servers: embedded.Servers) -> None:
    """A list of hosts leads both kinds of connection to the server that is there, as PostgreSQL means it."""
    assert servers.database_url is not None
    place = parse_qs(urlsplit(servers.database_url).query)
    host, port = quote(place["host"][0], safe=""), place.get("port", ["5432"])[0]
    url = f"postgresql://hms@127.0.0.1:1,{host}:{port}/hms?target_session_attrs=read-write"
    engine = connections.engine(url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("select 1").scalar() == 1
    engine.dispose()
    connection_of_a_loop = connections.connect(url, "test")
    assert not connection_of_a_loop.closed
    connection_of_a_loop.close()
