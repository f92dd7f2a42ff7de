"""Files that were looked at and wait to be started; the writer of oms.uploads and oms.upload_pieces.

They hold personal data, so they stay in PostgreSQL, few at a time and not for long.
"""

from __future__ import annotations

import io
import secrets
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import IO, Any

from sqlalchemy import Connection, Engine, text

from hms_oms.runtime.errors import HmsError

#: How long a file waits.
LIFE = timedelta(minutes=30)
#: A start is over after this time, or was cut off.
LONGEST_START = timedelta(hours=1)
#: How many files wait for one person, of which the oldest makes room, and for all.
MOST_EACH, MOST = 3, 20
#: The bytes of all of them.
MOST_BYTES = 1 << 30
#: The size of a piece, in bytes.
PIECE = 1 << 20


class UnknownUpload(HmsError):
    """No file waits under this id for this person: it was started, its time is over, or it never came."""

    def __init__(self) -> None:
        super().__init__(
            f"no such file waits to be started (it waits {LIFE.seconds // 60} minutes): send it again"
        )


class TooManyUploads(HmsError):
    """No more files can be kept now."""

    def __init__(self) -> None:
        super().__init__("too many files wait to be started already: start or discard one of them")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that waits, and how it would be started."""

    id: str
    actor: str
    type: str
    name: str
    media_type: str
    sla_minutes: float | None
    expires_at: datetime


def keep(
    engine: Engine,
    stream: IO[bytes],
    *,
    actor: str,
    job_type: str,
    name: str,
    media_type: str,
    sla_minutes: float | None,
) -> Upload:
    """Keep a file for a while. Raises TooManyUploads."""
    number = secrets.token_urlsafe(18)
    asked = {"id": number, "actor": actor, "type": job_type, "name": name, "media_type": media_type}
    with engine.begin() as connection:
        _make_room(connection, actor)
        kept = connection.execute(text(_OPEN), {**asked, "sla_minutes": sla_minutes, "life": LIFE})
        upload = _upload(kept.mappings().one())
    try:
        for piece, content in enumerate(iter(lambda: stream.read(PIECE), b"")):
            with engine.begin() as connection:
                connection.execute(text(_PIECE), {"id": number, "piece": piece, "content": content})
    except BaseException:
        with engine.begin() as connection:
            discard(connection, number, actor)
        raise
    return upload


def take(connection: Connection, upload: str, actor: str) -> Upload:
    """Take a file for the one start that it is good for. Raises UnknownUpload."""
    row = connection.execute(text(_TAKE), {"id": upload, "actor": actor}).mappings().one_or_none()
    if row is None:
        raise UnknownUpload
    return _upload(row)


def discard(connection: Connection, upload: str, actor: str) -> None:
    """Delete a file. Raises UnknownUpload."""
    gone = connection.execute(
        text("delete from oms.uploads where id = :id and actor = :actor"), {"id": upload, "actor": actor}
    )
    if gone.rowcount == 0:
        raise UnknownUpload


def expire(connection: Connection) -> None:
    """Delete the files whose time is over."""
    connection.execute(text(_EXPIRE), {"longest": LONGEST_START})


class Pieces(io.RawIOBase):
    """A kept file as a stream; each piece is read when it is needed."""

    def __init__(self, engine: Engine, upload: str) -> None:
        self._engine, self._upload = engine, upload
        self._piece = 0
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Give what is left of a piece, or the next one."""
        if not self._rest:
            self._rest = memoryview(self._next())
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    def _next(self) -> bytes:
        query = text("select content from oms.upload_pieces where upload_id = :id and piece = :piece")
        with self._engine.connect() as connection:
            content = connection.scalar(query, {"id": self._upload, "piece": self._piece})
        self._piece += 1
        return b"" if content is None else bytes(content)


def _make_room(connection: Connection, actor: str) -> None:
    # One after the other, so that the bounds hold.
    connection.execute(text("lock table oms.uploads in share row exclusive mode"))
    expire(connection)
    connection.execute(text(_OLDEST), {"actor": actor, "most": MOST_EACH - 1})
    kept = connection.execute(
        text("select count(*) as files, coalesce(sum(size), 0) as size from oms.uploads")
    )
    waiting = kept.one()
    if waiting.files >= MOST or waiting.size >= MOST_BYTES:
        raise TooManyUploads


def _upload(row: Any) -> Upload:
    return Upload(**{field.name: row[field.name] for field in fields(Upload)})


_OPEN = """
insert into oms.uploads (id, actor, type, name, media_type, sla_minutes, expires_at)
values (:id, :actor, :type, :name, :media_type, :sla_minutes, oms.now() + :life)
returning *
"""
_PIECE = """
with piece as (
    insert into oms.upload_pieces (upload_id, piece, content) values (:id, :piece, :content)
    returning length(content) as size
)
update oms.uploads set size = uploads.size + piece.size from piece where id = :id
"""
_TAKE = """
update oms.uploads set started_at = oms.now()
where id = :id and actor = :actor and started_at is null and expires_at >= oms.now()
returning *
"""
_EXPIRE = """
delete from oms.uploads
where expires_at < oms.now() and (started_at is null or started_at < oms.now() - :longest)
"""
_OLDEST = """
delete from oms.uploads where started_at is null and id in (
    select id from oms.uploads where actor = :actor and started_at is null
    order by created_at desc offset :most
)
"""
