"""The URLs of PostgreSQL and Redis: one parser for every process, and what may be shown of them.

Libraries disagree on a URL with a bare `/`, `?`, `#`, `@` or bracket in its password, and some quietly talk
to another server. So what two readers could take differently is refused, and no message quotes any of it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlencode

MASK = "***"
DATABASE_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg2")
BROKER_SCHEMES = ("redis", "rediss", "redis+socket", "sentinel")

#: What PostgreSQL's own library takes in a URL, less what carries a secret.
_DATABASE_OPTIONS = frozenset(
    {
        "application_name",
        "channel_binding",
        "client_encoding",
        "connect_timeout",
        "dbname",
        "gssencmode",
        "host",
        "krbsrvname",
        "load_balance_hosts",
        "port",
        "require_auth",
        "requirepeer",
        "ssl_min_protocol_version",
        "sslcert",
        "sslcrl",
        "sslkey",
        "sslmode",
        "sslnegotiation",
        "sslrootcert",
        "target_session_attrs",
    }
)
_TLS_OPTIONS = frozenset(
    {
        "ssl_ca_certs",
        "ssl_cert_reqs",
        "ssl_certfile",
        "ssl_check_hostname",
        "ssl_keyfile",
    }
)
#: What an option that decides about checking a certificate must say, if it is given at all.
_CHECKED = {"ssl_cert_reqs": ("required", "CERT_REQUIRED"), "ssl_check_hostname": ("true", "True")}
_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")


@dataclass(frozen=True, slots=True)
class _Parts:
    scheme: str
    user: str | None
    hosts: tuple[str, ...]
    path: str
    options: tuple[tuple[str, str], ...]


def database(text: str) -> str:
    """Check the URL of a PostgreSQL server, or of several as `host1:5432,host2:5432`, and return it.

    Raises ValueError, whose message says what is wrong and repeats nothing of the URL but its scheme.
    """
    parts = _parts(text, DATABASE_SCHEMES)
    if "/" in parts.path.removeprefix("/"):
        raise ValueError("what follows the host must be the name of one database, with no further '/'")
    options = dict(parts.options)
    for name in sorted(options.keys() - _DATABASE_OPTIONS):
        raise ValueError(_unknown(name, _DATABASE_OPTIONS))
    if not any(parts.hosts) and "host" not in options:
        raise ValueError("names no host: postgresql://user:password@host:5432/database")
    return f"postgresql{text[text.index('://') :]}"


def broker(text: str) -> str:
    """Check the URL of a Redis server and return it, for TLS with the certificate's check made explicit.

    kombu takes `rediss://` without further words for "do not check". Raises ValueError as `database` does.
    """
    parts = _parts(text, BROKER_SCHEMES)
    if parts.scheme == "redis+socket":
        return _socket(text, parts)
    if parts.scheme == "sentinel":
        return _sentinel(text, parts)
    if len(parts.hosts) != 1 or not parts.hosts[0]:
        raise ValueError(f"must name one host: {parts.scheme}://:password@host:6379/0")
    _check_number(parts.path)
    known = _TLS_OPTIONS if parts.scheme == "rediss" else frozenset[str]()
    for name, value in parts.options:
        if name not in known:
            raise ValueError(_unknown(name, known))
        if name in _CHECKED and value not in _CHECKED[name]:
            raise ValueError(
                f"{name} must be {_CHECKED[name][0]}: a certificate is always checked; ssl_ca_certs=FILE"
                " names the authority that signed it"
            )
    if parts.scheme == "redis":
        return text
    options = {**dict(parts.options), "ssl_cert_reqs": "required", "ssl_check_hostname": "true"}
    return f"{text.partition('?')[0]}?{urlencode(options, safe='/')}"


def plain(url: str) -> str:
    """The same server as redis-py spells it: a socket is `unix://PATH?db=N` there."""
    if not url.startswith("redis+socket://"):
        return url
    place, _, query = url.removeprefix("redis+socket://").partition("?")
    number = dict(parse_qsl(query)).get("virtual_host", "0")
    return f"unix://{place}?db={number}"


def masked(text: str) -> str:
    """Where the server is, and nothing that opens it; the scheme alone if the URL leaves a doubt."""
    scheme = text.partition("://")[0]
    try:
        parts = _parts(text, (*DATABASE_SCHEMES, *BROKER_SCHEMES, "unix"))
    except ValueError:
        known = scheme if re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]{0,20}", scheme) and scheme != text else ""
        return f"{known}://{MASK}" if known else MASK
    shown = ""
    if parts.user is not None:
        name, colon, _ = parts.user.partition(":")
        # A lone word before the @ is a user to PostgreSQL, but often a password to Redis.
        is_name = name and (colon or parts.scheme.startswith("postgres"))
        shown = f"{name if is_name else MASK if not colon else ''}{f':{MASK}' if colon else ''}@"
    open_to_all = _DATABASE_OPTIONS | _TLS_OPTIONS | {"virtual_host", "db", "master_name"}
    options = "&".join(f"{name}={value if name in open_to_all else MASK}" for name, value in parts.options)
    return f"{parts.scheme}://{shown}{','.join(parts.hosts)}{parts.path}{'?' if options else ''}{options}"


def _socket(text: str, parts: _Parts) -> str:
    if any(parts.hosts) or not parts.path.startswith("/"):
        raise ValueError(
            "must name a socket by its whole path: redis+socket:///run/redis.sock?virtual_host=0"
        )
    for name, value in parts.options:
        if name != "virtual_host":
            raise ValueError(_unknown(name, frozenset({"virtual_host"})))
        if not re.fullmatch(r"\d{1,5}", value):
            raise ValueError("virtual_host must be the number of a database")
    return text


def _sentinel(text: str, parts: _Parts) -> str:
    """Check the URL of sentinels, each of which is named with its port: not all readers know a default."""
    if not parts.hosts or not all(re.search(r":\d+$", host) for host in parts.hosts):
        raise ValueError(
            "must name each sentinel with its port:"
            " sentinel://:password@host1:26379,host2:26379/0?master_name=NAME"
        )
    _check_number(parts.path)
    for name, _ in parts.options:
        if name != "master_name":
            raise ValueError(_unknown(name, frozenset({"master_name"})))
    if not dict(parts.options).get("master_name"):
        raise ValueError("needs ?master_name=NAME, as the sentinels call the master")
    return text


def _check_number(path: str) -> None:
    if path not in ("", "/") and not re.fullmatch(r"/\d{1,5}", path):
        raise ValueError("what follows the host must be the number of a database, as /0")


def _parts(text: str, schemes: tuple[str, ...]) -> _Parts:
    scheme, mark, rest = text.partition("://")
    if not mark or scheme not in schemes:
        raise ValueError(f"must begin with one of {', '.join(f'{name}://' for name in schemes)}")
    if re.search(r"[^!-~]", rest):
        raise ValueError(f"holds white space or a character that is not ASCII; {_ENCODE}")
    if re.search(r"%(?![0-9A-Fa-f]{2})", rest):
        raise ValueError("holds a '%' that begins no code; a '%' itself is written %25")
    if "#" in rest:
        raise ValueError(f"holds a '#'; {_ENCODE}")
    authority, path, query = _split(rest)
    if "@" in path + query or authority.count("@") > 1 or "?" in query:
        raise ValueError(f"a character in the user or the password ends them too early; {_ENCODE}")
    user, at, place = authority.rpartition("@")
    if "[" in user or "]" in user:
        raise ValueError(
            f"holds a bracket in the user or the password, where an address would begin; {_ENCODE}"
        )
    hosts = tuple(place.split(",")) if place else ()
    for host in hosts:
        _check_host(host)
    return _Parts(scheme, user if at else None, hosts, path, tuple(_options(query)))


_ENCODE = (
    "in user and password write '/' as %2F, '?' as %3F, '#' as %23, '@' as %40, '[' as %5B, ']' as %5D and a"
    " space as %20"
)


def _split(rest: str) -> tuple[str, str, str]:
    place, _, query = rest.partition("?")
    authority, slash, path = place.partition("/")
    return authority, slash + path, query


def _check_host(host: str) -> None:
    name, colon, port = host.rpartition(":") if re.search(r"\]?:[^\]]*$", host) else (host, "", "")
    if colon and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"what follows the last ':' of the host is not a port from 1 to 65535; {_ENCODE}")
    if name.startswith("[") and name.endswith("]"):
        try:
            ipaddress.IPv6Address(name[1:-1].partition("%")[0])
        except ValueError:
            raise ValueError("what stands in brackets is not an IPv6 address") from None
    elif not _NAME.fullmatch(name):
        raise ValueError(f"the host is not a name or an address (IPv6 in brackets, as [::1]); {_ENCODE}")


def _options(query: str) -> Iterator[tuple[str, str]]:
    names: set[str] = set()
    for option in query.split("&") if query else ():
        name, equals, value = option.partition("=")
        if not equals or not re.fullmatch("[a-z_]+", name):
            raise ValueError("what follows '?' must be name=value, several joined by '&'")
        if name in names:
            raise ValueError(f"gives {name} twice")
        names.add(name)
        yield name, unquote(value)


def _unknown(name: str, known: frozenset[str]) -> str:
    if name == "password":
        return "a password belongs before the '@', not after the '?'"
    return f"{name} is not an option here" + (f"; known are {', '.join(sorted(known))}" if known else "")
