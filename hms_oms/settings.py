"""The one door for settings: read once from the environment, validated whole, then handed on by hand."""

from __future__ import annotations

import difflib
import json
import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hms_oms.errors import ConfigError

#: Where the launcher writes down the addresses of the servers it started (mode 0600).
SERVERS_FILE = "servers.json"

POOLS = ("prefork", "threads", "solo")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


@dataclass(frozen=True)
class Settings:
    """Everything that may be set from outside, with its default.

    `database_url` and `broker_url` stay None where neither the environment nor a running floor under
    `home` names them: then `hms up` starts private servers.
    """

    home: Path = field(default_factory=lambda: Path(".hms").resolve())
    database_url: str | None = field(default=None, repr=False)
    broker_url: str | None = field(default=None, repr=False)
    recipes: Path = Path(__file__).resolve().parent.parent / "workers" / "recipes"
    #: Worker processes that `hms up` starts, their pool, and the slots of each.
    workers: int = 2
    worker_pool: str = "threads"
    worker_slots: int = 8
    flower_port: int = 0
    log_level: str = "WARNING"

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
    the nearest known one.
    """
    faults: list[str] = []
    values: dict[str, Any] = {}
    for name, text in sorted(environ.items()):
        if not name.startswith("HMS_"):
            continue
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
    if faults:
        raise ConfigError(faults)
    home = values.get("home", Settings().home)
    return Settings(**{**_running_servers(home), **values})


def known_names() -> tuple[str, ...]:
    """The names of all settings, for documents and checks."""
    return tuple(_KNOWN)


def _running_servers(home: Path) -> dict[str, str]:
    try:
        found = json.loads((home / SERVERS_FILE).read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError([f"{home / SERVERS_FILE} cannot be read: {error}"]) from None
    return {name: found[name] for name in ("database_url", "broker_url") if name in found}


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


def _number(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
            raise ValueError(f"must be a whole number from {least} to {most}, not {text!r}")
        return int(text)

    return parse


def _one_of(*words: str, fold: Callable[[str], str] = str.lower) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if fold(text) not in words:
            raise ValueError(f"must be one of {', '.join(words)}, not {text!r}")
        return fold(text)

    return parse


_KNOWN: dict[str, tuple[str, Callable[[str], Any]]] = {
    "HMS_HOME": ("home", _path),
    "HMS_DATABASE_URL": ("database_url", _url("postgresql", "postgres", "postgresql+psycopg2")),
    "HMS_BROKER_URL": ("broker_url", _url("redis", "rediss", "redis+socket")),
    "HMS_RECIPES": ("recipes", _existing_folder),
    "HMS_WORKERS": ("workers", _number(0, 64)),
    "HMS_WORKER_POOL": ("worker_pool", _one_of(*POOLS)),
    "HMS_WORKER_SLOTS": ("worker_slots", _number(1, 1000)),
    "HMS_FLOWER_PORT": ("flower_port", _number(0, 65535)),
    "HMS_LOG_LEVEL": ("log_level", _one_of(*LOG_LEVELS, fold=str.upper)),
}


def configure_logging(settings: Settings, program: str) -> None:
    """Send this process's log to standard error, one line per fact, in UTC."""
    logging.basicConfig(
        level=settings.log_level,
        format=f"%(asctime)s {program} %(levelname)s %(message)s",
    )
