"""Databases for tests: copies of one that is migrated, and emptied for the next test where that is enough.

To copy and to drop a database costs half a second of a core, to empty one a hundredth of that. Emptied is one
whose schema, settings and rights are those of the copy; it gets a new name, so that nobody who was connected
to it finds it again. What a test has written to is known from the server's statistics, which all who write
have reported when they are gone; to look at each table would take longer than most tests.
"""

from __future__ import annotations

import graphlib
import io
import uuid
from collections.abc import Collection, Iterator, Mapping
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
       -- Before a row is deleted (2 + 8).
       exists (select from pg_trigger where tgrelid = pg_class.oid and tgtype & 10 = 10 and not tgisinternal)
from pg_class where relkind = 'r' and oid >= 16384 and relnamespace::regnamespace::text !~ '^pg_'
"""
_SEQUENCES = (
    "select format('%I.%I', schemaname, sequencename), coalesce(last_value, start_value),"
    " last_value is not null from pg_sequences order by 1"
)
#: How often each of these tables and sequences has been written to; of a sequence, touched.
_WRITES = """
select name,
    pg_stat_get_tuples_inserted(oid) + pg_stat_get_tuples_updated(oid) + pg_stat_get_tuples_deleted(oid)
from unnest(%s) as name, cast(name::regclass as oid) as oid
union all select name, pg_stat_get_blocks_fetched(name::regclass) from unnest(%s) as name
union all select 'rights', hashtext(coalesce(datacl::text, ''))
from pg_database where datname = current_database()
"""
#: Where the catalogue keeps what a test may have changed besides rows.
_CATALOGUE = (
    *("pg_class", "pg_attribute", "pg_proc", "pg_trigger", "pg_constraint", "pg_namespace", "pg_extension"),
    *("pg_db_role_setting", "rights"),
)
#: A database to which so many rows were written is dropped.
_MANY = 100_000


Writes = Mapping[str, int]


class Databases:
    """Copies of a template on a server that is known by the URL of its database `hms`."""

    def __init__(self, admin_url: str, template: str) -> None:
        self._admin_url, self._template = admin_url, template
        self._free: list[str] = []
        self._admin: psycopg2.extensions.connection | None = None
        self._shape: str | None = None
        self._rows: dict[str, str] = {}  # those that are referred to before those that refer to them
        self._kept: set[str] = set()
        self._sequences: dict[str, tuple[int, bool]] = {}
        self._writes: dict[str, Writes] = {}

    @contextmanager
    def lent(self) -> Iterator[str]:
        """The URL of a database that is as the template is, for as long as the block lasts."""
        name = f"hms_{uuid.uuid4().hex[:12]}"
        if self._free:
            before = self._free.pop()
            self._tell(f"alter database {before} rename to {name}")
            self._writes[name] = self._writes.pop(before)
        else:
            # Files are copied, since writing each page to the log as well takes five times as long.
            self._tell(f"create database {name} template {self._template} strategy file_copy")
            if self._shape is None:
                self._learn(name)
        yield self._url(name)
        self._take_back(name)

    def emptying(self, but: Collection[str]) -> str:
        """What empties all tables but these, and has the others count from the beginning again."""
        return "".join(
            [
                *(self._emptying(table) for table in reversed(self._rows) if table not in but),
                *(
                    f"select setval('{sequence}', {value}, {used});"
                    for sequence, (value, used) in self._sequences.items()
                    if not sequence.startswith(tuple(f"{table}_" for table in but))
                ),
            ]
        )

    def _take_back(self, name: str) -> None:
        try:
            emptied = self._empty(name)
        except psycopg2.Error:
            emptied = False
        if emptied:
            self._free.append(name)
        else:
            self._writes.pop(name, None)
            self._drop(name)

    def _learn(self, name: str) -> None:
        with closing(self._connection(name)) as connection, connection.cursor() as cursor:
            cursor.execute(_SHAPE)
            [self._shape] = cursor.fetchone() or [None]
            cursor.execute(_SEQUENCES)
            self._sequences = {sequence: (value, used) for sequence, value, used in cursor.fetchall()}
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
            before, writes = self._writes.get(name), self._look(cursor)
            if sum(writes[table] for table in self._rows) > _MANY:
                return False
            # A server that has crashed counts from nothing.
            if before is None or any(
                writes[part] < before[part] or (part in _CATALOGUE and writes[part] != before[part])
                for part in writes
            ):
                cursor.execute(_SHAPE)
                if cursor.fetchone() != (self._shape,):
                    return False
                before = dict.fromkeys(writes, -1)
            touched = {part for part in writes if writes[part] != before[part]}
            emptying = [self._emptying(table) for table in reversed(self._rows) if table in touched]
            counting = [
                f"select setval('{sequence}', {value}, {used});"
                for sequence, (value, used) in self._sequences.items()
                if sequence in touched
            ]
            if emptying or counting:
                cursor.execute("".join(emptying + counting))
            for table, rows in self._rows.items():
                if rows and table in touched:
                    cursor.copy_expert(f"copy {table} from stdin", io.StringIO(rows))
            cursor.execute("select pg_stat_force_next_flush()")
            self._writes[name] = self._look(cursor)
        return True

    def _look(self, cursor: psycopg2.extensions.cursor) -> Writes:
        """How often the tables, the sequences and the catalogue of a database have been written to."""
        cursor.execute(_WRITES, ([*self._rows, *_CATALOGUE[:-1]], list(self._sequences)))
        return dict(cursor.fetchall())

    def _emptying(self, table: str) -> str:
        # Rows that a trigger keeps from being deleted can be truncated, which takes longer.
        if table in self._kept:
            return f"do $$ begin if exists (select from {table}) then truncate {table}; end if; end $$;"
        return f"delete from {table};"

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
