"""The one place for settings: read once from the environment, validated whole, then handed on by hand."""

from __future__ import annotations

import difflib
import json
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from hms_oms.runtime import clock, environment, server_urls
from hms_oms.runtime.errors import ConfigError

#: Where the launcher writes down the addresses of the servers it started (mode 0600).
SERVERS_FILE = "servers.json"
#: Locked by the process that keeps a home.
LOCK_FILE = "lock"

SENDERS = ("log", "twilio", "webhook")
POOLS = ("prefork", "threads", "solo")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
LOG_FORMATS = ("auto", "text", "json")


@dataclass(frozen=True)
class Settings:
    """Everything that may be set from outside, with its default.

    `database_url` and `broker_url` stay None where neither the environment nor a running floor under
    `home` names them: then `hms up` starts private servers.
    """

    home: Path = field(default_factory=lambda: Path(".hms").resolve())
    database_url: str | None = field(default=None, repr=False)
    broker_url: str | None = field(default=None, repr=False)
    #: A way to the same database around a pooler, for those who listen and lead; None: there is no pooler.
    database_direct_url: str | None = field(default=None, repr=False)
    #: The office's time zone, whose days and clock everything is told in; None: this machine's.
    timezone: str | None = None
    #: The API that the clients and the command line speak to, and the badge that they show there.
    url: str | None = field(default=None, repr=False)
    badge: str | None = field(default=None, repr=False)
    #: The API of the floor that runs under `home`; only that floor's servers file names it.
    floor_url: str | None = None
    recipes: Path = Path(__file__).resolve().parent.parent.parent / "workers" / "recipes"
    #: Worker processes that `hms up` starts, their pool, and the slots of each.
    workers: int = 2
    worker_pool: str = "threads"
    worker_slots: int = 8
    flower_port: int = 0
    #: Where the API listens, and whose word on the caller's address (X-Forwarded-For) it takes.
    floor_host: str = "127.0.0.1"
    floor_port: int = 8080
    floor_proxies: str = ""
    #: Requests a second that one badge may make.
    floor_rate: int = 1000
    #: The keys of an identity provider, a file or an https URL; None: badges are signed with our own key.
    badge_jwks: str | None = None
    #: The key that badges are signed with; None: the one in `home`, which is made where it is missing.
    badge_key: str | None = field(default=None, repr=False)
    badge_issuer: str = "hms"
    badge_audience: str = "hms"
    #: Who hands texts over; None: twilio where its credentials are set, else the log.
    sender: str | None = None
    twilio_account_sid: str | None = None
    twilio_auth_token: str | None = field(default=None, repr=False)
    twilio_from: str | None = None
    twilio_api_url: str = "https://api.twilio.com"
    #: Where the world reaches the floor, with the path below which a proxy has it.
    public_url: str | None = None
    webhook_url: str | None = field(default=None, repr=False)
    webhook_secret: str | None = field(default=None, repr=False)
    #: Whether texts may leave this machine though the on-call document names nobody real.
    start_without_oncall: bool = False
    #: Texts to applicants that go out in a second, where they leave this machine; pages have no such limit.
    texts_per_second: float = 1.0
    log_level: str = "WARNING"
    #: auto: text on a terminal, JSON elsewhere.
    log_format: str = "auto"
    #: How long the history of metrics is kept, in days.
    samples_days: int = 90

    @property
    def sender_name(self) -> str:
        """Who hands texts over: log, twilio or webhook."""
        return self.sender or ("twilio" if self.twilio_account_sid else "log")

    @property
    def zone(self) -> ZoneInfo:
        """The office's time zone: as set, else this machine's if that has a name, else UTC."""
        return clock.zone(self.timezone or clock.machine_zone())

    def servers(self) -> tuple[str, str]:
        """The database and broker URL. Raises ConfigError where there are none to talk to."""
        if self.database_url is None or self.broker_url is None:
            urls = {"HMS_DATABASE_URL": self.database_url, "HMS_BROKER_URL": self.broker_url}
            missing = [name for name, url in urls.items() if url is None]
            fault = (
                f"no floor is running in {self.home}, and {' and '.join(missing)}"
                f" {'is' if len(missing) == 1 else 'are'} not set: start one with `hms up`,"
                " point HMS_HOME at the home of a running one, or set both URLs"
            )
            raise ConfigError([fault])
        return self.database_url, self.broker_url


def load(environ: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings from `environ` and from the servers file of a running floor.

    Raises ConfigError with every fault at once: malformed values, and unknown `HMS_*` names with
    the nearest known one; or if there are no time zones to tell times in.
    """
    if clock.missing():
        raise ConfigError(["this machine has no time zones: install the package tzdata (pip install tzdata)"])
    faults: list[str] = []
    values: dict[str, Any] = {}
    named = environment.named(environ, _SECRETS, faults)
    for name, text in sorted(named.items()):
        if name not in _KNOWN:
            faults.append(f"{name} is not a setting{_suggestion(name)}")
            continue
        attribute, parse = _KNOWN[name]
        if not text.strip():
            faults.append(f"{name} is empty: unset it, or give it a value")
            continue
        try:
            values[attribute] = parse(text.strip())
        except ValueError as error:
            faults.append(f"{name}: {error}")
    faults.extend(_missing(values))
    if faults:
        raise ConfigError(faults)
    home = values.get("home", Settings().home)
    return Settings(**{**_running_servers(home), **values})


def known_names() -> tuple[str, ...]:
    """The names of all settings, for documents and checks."""
    return tuple(_KNOWN)


def _running_servers(home: Path) -> dict[str, str]:
    try:
        document = json.loads((home / SERVERS_FILE).read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError([f"{home / SERVERS_FILE} cannot be read: {error}"]) from None
    names = ["database_url", "broker_url"]
    if _is_kept(home):
        # Anyone who listens at the port of a floor that was killed may be anybody: no badge is shown there.
        names.append("floor_url")
    return {name: document[name] for name in names if name in document}


def _is_kept(home: Path) -> bool:
    """Whether the process lives that keeps this home, and with it the floor's port."""
    try:
        import fcntl

        with (home / LOCK_FILE).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (OSError, ImportError):
        return False
    return False


def _missing(values: Mapping[str, Any]) -> Iterator[str]:
    """What the chosen sender needs and does not have; part of Twilio's set alone chooses it, too."""
    sender = values.get("sender")
    if sender is None and any(_KNOWN[name][0] in values for name in _NEEDS["twilio"]):
        sender = "twilio"
    needed = _NEEDS.get(sender or "log", ())
    missing = [name for name in needed if _KNOWN[name][0] not in values]
    if missing:
        yield (
            f"the {sender} sender needs {' and '.join(missing)} as well: set"
            f" {'it' if len(missing) == 1 else 'them'}, or choose another one by HMS_SENDER"
        )


def _suggestion(name: str) -> str:
    near = difflib.get_close_matches(name, _KNOWN, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known are {', '.join(_KNOWN)}"


def _path(text: str) -> Path:
    return Path(text).expanduser().resolve()


def _existing_folder(text: str) -> Path:
    path = _path(text)
    if not path.is_dir():
        raise ValueError(f"{path} is not a folder")
    return path


def _url(*schemes: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        # The value may hold a password: no message repeats more of it than its scheme.
        scheme = urlsplit(text).scheme
        if scheme not in schemes:
            raise ValueError(f"the scheme must be one of {', '.join(schemes)}, not {scheme!r}")
        return text

    return parse


def _zone(text: str) -> str:
    return clock.zone(text).key


def _number(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}, not {text!r}")
        return int(text)

    return parse


def _badge(text: str) -> str:
    # Anyone who holds the badge may act: no message repeats any of it.
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("is not a badge: a badge is one word of letters, digits, '-', '_' and '.'")
    return text


def _words(text: str) -> str:
    if not text.isprintable():
        raise ValueError(f"holds what cannot be printed: {text!r}")
    return text


def _jwks(text: str) -> str:
    if urlsplit(text).scheme == "https":
        return text
    path = _path(text)
    if not path.is_file():
        raise ValueError(f"must be an https URL or a file; there is no file {path}")
    return str(path)


def _one_of(*words: str, fold: Callable[[str], str] = str.lower) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if fold(text) not in words:
            raise ValueError(f"must be one of {', '.join(words)}, not {text!r}")
        return fold(text)

    return parse


def _yes_or_no(text: str) -> bool:
    return _one_of("yes", "no")(text) == "yes"


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0.01 <= rate <= 1000:
        raise ValueError(f"must be a number from 0.01 to 1000, not {text!r}")
    return rate


def _base_url(text: str) -> str:
    # What is appended to it must make a URL, and what is in it is shown to others.
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http or https URL, as https://hms.example.org")
    if parts.username or parts.query or parts.fragment:
        raise ValueError("must be a URL without a user, a query or a fragment")
    return text.rstrip("/")


def _public_url(text: str) -> str:
    url = _base_url(text)
    path = urlsplit(url).path
    # The path goes into links, scripts and cookies.
    if not re.fullmatch(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*", path):
        raise ValueError(f"its path must be of letters, digits, '-', '_', '.' and '~', as /hms, not {path!r}")
    return url


def _matching(pattern: str, what: str, *, secret: bool = False) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"must be {what}" + ("" if secret else f", not {text!r}"))
        return text

    return parse


_KNOWN: dict[str, tuple[str, Callable[[str], Any]]] = {
    "HMS_HOME": ("home", _path),
    "HMS_DATABASE_URL": ("database_url", server_urls.database),
    "HMS_DATABASE_DIRECT_URL": ("database_direct_url", server_urls.database),
    "HMS_BROKER_URL": ("broker_url", server_urls.broker),
    "HMS_TIMEZONE": ("timezone", _zone),
    "HMS_URL": ("url", _url("http", "https")),
    "HMS_BADGE": ("badge", _badge),
    "HMS_RECIPES": ("recipes", _existing_folder),
    "HMS_WORKERS": ("workers", _number(0, 64)),
    "HMS_WORKER_POOL": ("worker_pool", _one_of(*POOLS)),
    "HMS_WORKER_SLOTS": ("worker_slots", _number(1, 1000)),
    "HMS_FLOWER_PORT": ("flower_port", _number(0, 65535)),
    "HMS_FLOOR_HOST": ("floor_host", _words),
    "HMS_FLOOR_PORT": ("floor_port", _number(0, 65535)),
    "HMS_FLOOR_PROXIES": ("floor_proxies", _words),
    "HMS_FLOOR_RATE": ("floor_rate", _number(1, 1_000_000)),
    "HMS_BADGE_JWKS": ("badge_jwks", _jwks),
    "HMS_BADGE_KEY": (
        "badge_key",
        _matching("[!-~]{32,}", "one word of at least 32 characters", secret=True),
    ),
    "HMS_BADGE_ISSUER": ("badge_issuer", _words),
    "HMS_BADGE_AUDIENCE": ("badge_audience", _words),
    "HMS_SENDER": ("sender", _one_of(*SENDERS)),
    "HMS_TWILIO_ACCOUNT_SID": (
        "twilio_account_sid",
        _matching("AC[0-9a-fA-F]{32}", "an account SID: AC and 32 hex digits", secret=True),
    ),
    "HMS_TWILIO_AUTH_TOKEN": (
        "twilio_auth_token",
        _matching("[!-~]+", "one word of printable ASCII", secret=True),
    ),
    "HMS_TWILIO_FROM": (
        "twilio_from",
        _matching(r"\+[1-9]\d{6,14}|\d{3,8}", "a number in E.164, as +12025550143, or a short code"),
    ),
    "HMS_TWILIO_API_URL": ("twilio_api_url", _base_url),
    "HMS_PUBLIC_URL": ("public_url", _public_url),
    "HMS_WEBHOOK_URL": ("webhook_url", _url("http", "https")),
    "HMS_WEBHOOK_SECRET": (
        "webhook_secret",
        _matching("[!-~]{16,}", "one word of at least 16 printable ASCII characters", secret=True),
    ),
    "HMS_START_WITHOUT_ONCALL": ("start_without_oncall", _yes_or_no),
    "HMS_TEXTS_PER_SECOND": ("texts_per_second", _rate),
    "HMS_SAMPLES_DAYS": ("samples_days", _number(1, 3650)),
    "HMS_LOG_LEVEL": ("log_level", _one_of(*LOG_LEVELS, fold=str.upper)),
    "HMS_LOG_FORMAT": ("log_format", _one_of(*LOG_FORMATS)),
}

#: What may also come from a file, named by the setting's name and _FILE.
_SECRETS = (
    "HMS_DATABASE_URL",
    "HMS_DATABASE_DIRECT_URL",
    "HMS_BROKER_URL",
    "HMS_BADGE",
    "HMS_BADGE_KEY",
    "HMS_TWILIO_ACCOUNT_SID",
    "HMS_TWILIO_AUTH_TOKEN",
    "HMS_WEBHOOK_URL",
    "HMS_WEBHOOK_SECRET",
)

_NEEDS = {
    "twilio": ("HMS_TWILIO_ACCOUNT_SID", "HMS_TWILIO_AUTH_TOKEN", "HMS_TWILIO_FROM"),
    "webhook": ("HMS_WEBHOOK_URL", "HMS_WEBHOOK_SECRET"),
}
