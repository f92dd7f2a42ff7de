"""The one place for settings: read once from the environment, validated whole, then handed on by hand."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from hms_oms.runtime import clock
from hms_oms.runtime.errors import ConfigError
from hms_oms.runtime.settings import environment, running_floor
from hms_oms.runtime.settings.parsing import Granted
from hms_oms.runtime.settings.running_floor import LOCK_FILE, SERVERS_FILE
from hms_oms.runtime.settings.variables import KNOWN, NEEDS, OIDC_NEEDS, SECRETS

__all__ = ["LOCK_FILE", "SERVERS_FILE", "Settings", "known_names", "load"]


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
    recipes: Path = Path(__file__).resolve().parents[3] / "workers" / "recipes"
    #: The folder below which schedules find their files, None: `incoming` under `home`; and the hosts from
    #: which they may fetch some.
    incoming: Path | None = None
    incoming_hosts: tuple[str, ...] = ()
    #: Worker processes that `hms up` starts, their pool, and the slots of each.
    workers: int = 2
    worker_pool: str = "threads"
    worker_slots: int = 8
    #: The load of a host in percent beyond which its workers start nothing more; None: they always do.
    host_cpu_limit: int | None = None
    host_memory_limit: int | None = None
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
    #: The OpenID provider that people may sign in at beside badges, and what the values of its roles claim
    #: are worth here; None: there is none.
    oidc_issuer: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: str | None = field(default=None, repr=False)
    #: What it is called on the page of signing in; None: its host.
    oidc_name: str | None = None
    oidc_scopes: str = "openid profile email"
    oidc_roles_claim: str = "roles"
    oidc_roles: tuple[Granted, ...] = ()
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
    #: The file with the channels that pages may go to beside phones; None: `channels.toml` in `home`.
    channels: Path | None = None
    #: What the secrets of webhooks are made of; None: the key in `home`.
    events_key: str | None = field(default=None, repr=False)
    #: The networks beside public ones that events may go to.
    events_networks: str = ""
    #: Whether texts may leave this machine though the on-call document names nobody real.
    start_without_oncall: bool = False
    #: Texts to applicants that go out in a second, where they leave this machine; pages have no such limit.
    texts_per_second: float = 1.0
    log_level: str = "WARNING"
    #: auto: text on a terminal, JSON elsewhere.
    log_format: str = "auto"
    #: How long the history of metrics is kept, in days.
    samples_days: int = 90
    #: How long a finished job is kept, its event log, its texts and their attempts, the personal data in it,
    #: and its key, if its recipe does not say; None: they are never removed.
    keep_jobs: timedelta | None = timedelta(days=730)
    keep_events: timedelta | None = timedelta(days=400)
    keep_messages: timedelta | None = timedelta(days=400)
    keep_attempts: timedelta | None = timedelta(days=90)
    keep_personal_data: timedelta | None = timedelta(days=400)
    keep_keys: timedelta | None = timedelta(days=1095)
    #: How long the audit trail is kept.
    keep_audit: timedelta | None = timedelta(days=2555)

    @property
    def sender_name(self) -> str:
        """Who hands texts over: log, twilio or webhook."""
        return self.sender or ("twilio" if self.twilio_account_sid else "log")

    @property
    def incoming_folder(self) -> Path:
        """The folder below which schedules find their files."""
        return self.incoming or self.home / "incoming"

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
    named = environment.named(environ, SECRETS, faults)
    for name, text in sorted(named.items()):
        if name not in KNOWN:
            faults.append(f"{name} is not a setting{_suggestion(name)}")
            continue
        attribute, parse = KNOWN[name]
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
    return Settings(**{**running_floor.servers(home), **values})


def known_names() -> tuple[str, ...]:
    """The names of all settings, for documents and checks."""
    return tuple(KNOWN)


def _missing(values: Mapping[str, Any]) -> Iterator[str]:
    """What the chosen sender, or signing in, needs and does not have.

    Part of Twilio's set alone chooses it, too.
    """
    sender = values.get("sender")
    if sender is None and any(KNOWN[name][0] in values for name in NEEDS["twilio"]):
        sender = "twilio"
    needed = NEEDS.get(sender or "log", ())
    missing = [name for name in needed if KNOWN[name][0] not in values]
    if missing:
        yield (
            f"the {sender} sender needs {' and '.join(missing)} as well: set"
            f" {'it' if len(missing) == 1 else 'them'}, or choose another one by HMS_SENDER"
        )
    absent = [name for name in OIDC_NEEDS if KNOWN[name][0] not in values]
    if len(absent) < len(OIDC_NEEDS) and absent:
        yield f"to sign in by OpenID Connect {' and '.join(absent)} must be set as well"
    if not absent and "badge_jwks" in values:
        yield "HMS_OIDC_ISSUER and HMS_BADGE_JWKS are both set: who signs in gets a badge of our own key"


def _suggestion(name: str) -> str:
    near = difflib.get_close_matches(name, KNOWN, n=1)
    return f"; did you mean {near[0]}?" if near else f"; known are {', '.join(KNOWN)}"
