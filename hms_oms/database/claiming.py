"""Session settings for claims and reports, used by workers and tried by `hms check`."""

from __future__ import annotations

from collections.abc import Mapping

#: A report does not wait longer for a lock; it is tried again, as those of others may be.
REPORTING: Mapping[str, str] = {"lock_timeout": "5s"}
#: A claim that a crash of the database forgets is made again by recovery, so it need not wait for the disk.
CLAIMING: Mapping[str, str] = {**REPORTING, "synchronous_commit": "off"}
