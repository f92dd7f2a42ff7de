"""The badge of the person who runs this machine: in its home, for hours, and renewed by the running floor."""

from __future__ import annotations

import getpass
import logging
import threading
import time
from pathlib import Path

from hms_floor.auth import tokens
from hms_floor.private_files import write_private
from hms_oms.runtime.errors import HmsError
from hms_oms.runtime.settings import Settings

log = logging.getLogger(__name__)

#: How long the badge of this machine holds, in hours; the running floor makes the next one ...
LOCAL_HOURS = 12.0
#: ... when it holds for less than this, in seconds, and looks this often.
KEPT_SECONDS = 6 * 3600.0
LOOK_SECONDS = 600.0


def make(home: Path, settings: Settings | None = None) -> str:
    """Make the key and the badge of the person who runs this machine, keep it in {home}/badge, and return it.

    It may do everything, on every queue: anyone who can read it can read the key beside it.
    """
    configured = settings or Settings(home=home)
    if configured.badge_key is None:
        tokens.make_key(home)
    kept = _kept(home, configured)
    if kept is not None:
        return kept
    badge = tokens.issue(
        configured,
        actor=login_name(),
        roles=tuple(tokens.Role),
        queues=[tokens.ANY_QUEUE],
        hours=LOCAL_HOURS,
    )
    write_private(home / tokens.BADGE_FILE, badge.token)
    return badge.token


def keep(home: Path, settings: Settings) -> None:
    """Have the badge of this machine there as long as this process runs, renewed in time."""
    make(home, settings)

    def renew() -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            try:
                make(home, settings)
            except (OSError, HmsError) as error:
                log.warning("the badge of this machine is not renewed: %s", error)

    threading.Thread(target=renew, name="local-badge", daemon=True).start()


def _kept(home: Path, settings: Settings) -> str | None:
    """The badge that is there already, if it will hold for a while yet: one is enough."""
    try:
        token = (home / tokens.BADGE_FILE).read_text(encoding="ascii").strip()
        badge = tokens.checker(settings).check(token)
    except (OSError, UnicodeDecodeError, tokens.BadgeRefused):
        return None
    left = badge.expires_at - time.time()
    # One that holds for longer was made by a release before.
    return token if KEPT_SECONDS < left <= 3600 * LOCAL_HOURS else None


def login_name() -> str:
    """The login name of the person who runs this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user id without an account, as in some containers
        return "unknown"
