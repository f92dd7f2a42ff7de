"""Databases for tests: copies of one that is migrated, and emptied for the next test where that is enough.

To copy and to drop a database costs half a second of a core, to empty one a twentieth of that. Emptied is one
whose schema, settings and rights are those of the copy; it gets a new name, so that nobody who was connected
to it finds it again.
"""

from __future__ import annotations

import graphlib
import io
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2
import psycopg2.extensions

#: What a test may have changed besides rows.
_SHAPE = """
select md5(string_agg(part, ',' order by part)) from (
    select format('%s %s %s %s', relnamespace, relname, relkind, relacl)
    from pg_class where relnamespace::regnamespace::text !~ '^pg_'
    union all select format('%s %s %s %s', attrelid, attname, atttypid, attacl)
    from pg_attribute where attrelid >= 16384 and attnum > 0 and attrelid::regclass::text !~ '^pg_toast'
    union all select format('%s %s %s', proname, md5(prosrc), proacl) from pg_proc where oid >= 16384
    union all select format('%s %s %s', tgrelid, tgname, tgenabled) from pg_trigger where not tgisinternal
    union all select format('%s %s', conrelid, conname) from pg_constraint where oid >= 16384
    union all select format('%s %s', nspname, nspacl) from pg_namespace where nspname !~ '^pg_(toast_)?temp'
    union all select format('setting %s', setconfig) from pg_db_role_setting
    union all select format('extension %s', extname) from pg_extension
    union all select format('rights %s', coalesce(datacl::text, '')) from pg_database
    where datname = current_database()
) as parts (part)
"""
#: Each table, those that it refers to, and whether a trigger keeps its rows from being deleted.
_TABLES = """
select oid::regclass::text,
       array(select confrelid::regclass::text from pg_constraint
             where contype = 'f' and conrelid = pg_class.oid and confrelid <> conrelid),
       exists (select from pg_trigger where tgrelid = pg_class.oid and not tgisinternal)
from pg_class where relkind = 'r' and oid >= 16384 and relnamespace::regnamespace::text !~ '^pg_'
"""
_SEQUENCES = (
    "select format('%I.%I', schemaname, sequencename), coalesce(last_value, start_value),"
    " last_value is not null from pg_sequences order by 1"
)
#: A database that has grown larger than this by one test is dropped, in bytes.
_LARGE = 40_000_000


class Databases:
    """Copies of a template on a server that is known by the URL of its database `hms`."""

    def __init__(self, admin_url: str, template: str) -> None:
        self._admin_url, self._template = admin_url, template
        self._free: list[str] = []
        self._admin: psycopg2.extensions.connection | None = None
        self._shape: str | None = None
        self._rows: dict[str, str] = {}  # those that are referred to before those that refer to them
        self._kept: set[str] = set()
        self._sequences: list[tuple[str, int, bool]] = []

    @contextmanager
    def lent(self) -> Iterator[str]:
        """The URL of a database that is as the template is, for as long as the block lasts."""
        name = f"hms_{uuid.uuid4().hex[:12]}"
        if self._free:
            self._tell(f"alter database {self._free.pop()} rename to {name}")
        else:
            # Files are copied, since writing each page to the log as well takes five times as long.
            self._tell(f"create database {name} template {self._template} strategy file_copy")
            if self._shape is None:
                self._learn(name)
        yield self._url(name)
        self._take_back(name)

    def _take_back(self, name: str) -> None:
        try:
            emptied = self._empty(name)
        except psycopg2.Error:
            emptied = False
        if emptied:
            self._free.append(name)
        else:
            self._drop(name)

    def _learn(self, name: str) -> None:
        with closing(self._connection(name)) as connection, connection.cursor() as cursor:
            cursor.execute(_SHAPE)
            [self._shape] = cursor.fetchone() or [None]
            cursor.execute(_SEQUENCES)
            self._sequences = cursor.fetchall()
            cursor.execute(_TABLES)
            tables = {table: (parents, kept) for table, parents, kept in cursor.fetchall()}
            self._kept = {table for table, (_, kept) in tables.items() if kept}
            parents = {table: parents for table, (parents, _) in tables.items()}
            for table in graphlib.TopologicalSorter(parents).static_order():
                rows = io.StringIO()
                cursor.copy_expert(f"copy {table} to stdout", rows)
                self._rows[table] = rows.getvalue()

    def _empty(self, name: str) -> bool:
        with closing(self._connection(name)) as connection, connection.cursor() as cursor:
            cursor.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
                " and backend_type = 'client backend'"
            )
            cursor.execute("select pg_database_size(current_database()) > %s", [_LARGE])
            [large] = cursor.fetchone() or [True]
            cursor.execute(_SHAPE)
            if large or cursor.fetchone() != (self._shape,):
                return False
            cursor.execute("".join(map(self._emptying, reversed(self._rows))) + self._counting())
            for table, rows in self._rows.items():
                if rows:
                    cursor.copy_expert(f"copy {table} from stdin", io.StringIO(rows))
        return True

    def _emptying(self, table: str) -> str:
        # Rows that a trigger keeps from being deleted can be truncated, which takes longer.
        if table in self._kept:
            return f"do $$ begin if exists (select from {table}) then truncate {table}; end if; end $$;"
        return f"delete from {table};"

    def _counting(self) -> str:
        return ";".join(
            f"select setval('{sequence}', {value}, {used})" for sequence, value, used in self._sequences
        )

    def _drop(self, name: str) -> None:
        # With force it would refuse to end autovacuum, whom it ends without, and waits for.
        self._tell(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            f" where datname = '{name}' and backend_type = 'client backend'"
        )
        self._tell(f"drop database {name}")

    def _url(self, name: str) -> str:
        return self._admin_url.replace("/hms?", f"/{name}?", 1)

    def _connection(self, name: str) -> psycopg2.extensions.connection:
        connection = psycopg2.connect(self._url(name), options="-c statement_timeout=0")
        connection.autocommit = True
        return connection

    def _tell(self, statement: str) -> None:
        if self._admin is None:
            self._admin = psycopg2.connect(self._admin_url)
            self._admin.autocommit = True
        try:
            self._admin.cursor().execute(statement)
        except (psycopg2.OperationalError, psycopg2.InterfaceError):
            if not self._admin.closed:
                raise
            # A test has ended all connections to the server.
            self._admin = None
            self._tell(statement)
