"""Hours: samples added up by the hour, for charts of weeks and months; the writer of ops.sample_hours."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from hms_ops.statements import statement

#: The most hours that one keeping adds up: a watch that was away for long catches up within minutes.
BITE = timedelta(hours=6)
#: The most rows that one keeping removes: more than it adds.
REMOVED = 5000


def keep(connection: Connection, now: datetime, days: int) -> None:
    """Add up the hours that are over, and remove what is older than `days`."""
    connection.exec_driver_sql(statement("keep_hours"), {"now": now, "bite": BITE})
    connection.execute(_PRUNE, {"before": now - timedelta(days=days), "most": REMOVED})


_PRUNE = text("""
delete from ops.sample_hours
where ctid = any(array(select ctid from ops.sample_hours where at < :before limit :most))
""")
