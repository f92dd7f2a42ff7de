"""Accept concurrent requests in one transaction.

They pile up while the last batch is being committed, so that a batch costs one thread, one connection and
little more than a single request.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, Row, and_, or_, select
from starlette.concurrency import run_in_threadpool

from hms_act import accept
from hms_floor.api.access.guard import Caller
from hms_floor.api.transport import problems
from hms_oms.access import audit
from hms_oms.database.schema.tables import jobs
from hms_oms.jobs.queries.read import KEY, KEY_ORDER, having_key
from hms_oms.jobs.tickets import job_name
from hms_oms.recipes import registry
from hms_oms.recipes.recipes import Recipe
from hms_oms.retention import known_keys
from hms_oms.retention.known_keys import KnownKey
from hms_oms.runtime.errors import KeyReused

#: So many requests are accepted in one transaction at most.
MOST_AT_ONCE = 100

_COLUMNS = [
    *(jobs.c[name] for name in ("id", "type", "queue", "status", "sla", "sla_minutes", "replaces")),
    KEY,
]


@dataclass(frozen=True, slots=True)
class Request:
    """A request that meets its recipe; `ready_at` and the deadline count by the ledger's clock."""

    recipe: Recipe
    payload: Mapping[str, Any]
    key: str | None
    sla_minutes: float | None
    priority: int
    ready_at: datetime | None
    caller: Caller
    supersede: bool = False
    must: bool = False

    @property
    def kind(self) -> tuple[Any, ...]:
        """Key by which requests are grouped into one statement."""
        return self.recipe.type, self.sla_minutes, self.priority, self.ready_at, self.caller.actor


def request(
    recipe: Recipe,
    payload: Mapping[str, Any],
    *,
    key: str | None,
    sla_minutes: float | None,
    priority: int,
    ready_at: datetime | None,
    caller: Caller,
    supersede: bool = False,
    must: bool | None = None,
) -> Request:
    """Check a request. Raises RequestRejected with every fault of the payload."""
    accept.check(recipe, payload, key)
    chosen = key if key is not None else accept.key_of(recipe, payload)
    is_must = recipe.must if must is None else must
    return Request(recipe, payload, chosen, sla_minutes, priority, ready_at, caller, supersede, is_must)


@dataclass(frozen=True, slots=True)
class Started:
    """The job that a request led to, and whether it is new; `conflict` if that job has other content."""

    row: Row[Any] | KnownKey
    created: bool
    conflict: KeyReused | None = None


class Starts:
    """Accepts requests, many in one transaction; a known key gives the job that has it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._recipes: dict[str, int] = {}
        self._waiting: list[tuple[Request, asyncio.Future[Started]]] = []
        self._turn: asyncio.Task[None] | None = None

    async def start(self, request: Request) -> Started:
        """Accept one request, together with those that come at the same time.

        Raises KeyReused if the job that has its key differs from it.
        """
        answer: asyncio.Future[Started] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, answer))
        if self._turn is None:
            self._turn = asyncio.create_task(self._accept_all())
        started = await answer
        if started.conflict is not None:
            raise started.conflict
        return started

    async def _accept_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
            if not await self._settle(batch):
                # Find out whose request breaks the batch; the others should not suffer for it.
                for item in batch:
                    await self._settle([item])
        self._turn = None

    async def _settle(self, batch: Sequence[tuple[Request, asyncio.Future[Started]]]) -> bool:
        try:
            answers = await run_in_threadpool(self._accept, [request for request, _ in batch])
        except Exception as error:  # noqa: BLE001 -- handed to the one whose request it was
            if len(batch) > 1 and not problems.hits_all(error):
                return False
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return True
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)
        return True

    def _accept(self, batch: Sequence[Request]) -> list[Started]:
        for request in batch:
            self._register(request.recipe)
        with self._engine.begin() as connection:
            for request in batch:
                if request.supersede:
                    accept.make_way(
                        connection,
                        request.recipe,
                        [request.payload],
                        keys=[request.key],
                        who=request.caller.actor,
                    )
            created = self._insert(connection, batch)
            rows = _rows(connection, batch, created)
            answers = _judged(connection, batch, list(_answers(batch, created, rows)))
            # Refusals are written down by the guard.
            acts = [
                request.caller.act(
                    job_name(answer.row.id),
                    status=201 if answer.created else 200,
                    detail={"supersede": True} if request.supersede else None,
                )
                for request, answer in zip(batch, answers, strict=True)
                if answer.conflict is None
            ]
            audit.write(connection, acts)
        return answers

    def _insert(self, connection: Connection, batch: Sequence[Request]) -> list[list[int]]:
        """The new jobs' ids of each kind, in the order of the kinds."""
        created = []
        for group in _kinds(batch):
            first = group[0]
            accepted = accept.accept_many(
                connection,
                first.recipe,
                [request.payload for request in group],
                keys=[request.key for request in group],
                requested_by=first.caller.actor,
                sla_minutes=first.sla_minutes,
                priority=first.priority,
                ready_at=first.ready_at,
                recipe_id=self._recipes[first.recipe.type],
                musts=[request.must for request in group],
            )
            created.append(list(accepted.jobs))
        return created

    def _register(self, recipe: Recipe) -> None:
        if recipe.type not in self._recipes:
            with self._engine.begin() as connection:
                self._recipes[recipe.type] = registry.register(connection, recipe)


def _kinds(batch: Sequence[Request]) -> Iterable[list[Request]]:
    kinds: defaultdict[tuple[Any, ...], list[Request]] = defaultdict(list)
    for request in batch:
        # What has a key is found again by it, what has none by the order of the new ids.
        kinds[(*request.kind, request.key is None)].append(request)
    return kinds.values()


def _rows(
    connection: Connection, batch: Sequence[Request], created: Sequence[Sequence[int]]
) -> Sequence[Row[Any] | KnownKey]:
    keys_by_type: defaultdict[str, set[str]] = defaultdict(set)
    for request in batch:
        if request.key is not None:
            keys_by_type[request.recipe.type].add(request.key)
    by_key = [and_(jobs.c.type == kind, having_key(sorted(keys))) for kind, keys in keys_by_type.items()]
    ids = [job for group in created for job in group]
    query = select(*_COLUMNS).where(or_(jobs.c.id.in_(ids), *by_key)).order_by(*KEY_ORDER)
    holders: list[Row[Any] | KnownKey] = list(connection.execute(query))
    for kind, keys in keys_by_type.items():
        missing = sorted(keys - {row.key for row in holders if row.type == kind})
        holders += known_keys.find(connection, kind, missing).values() if missing else ()
    return holders


def _answers(
    batch: Sequence[Request], created: Sequence[Sequence[int]], rows: Sequence[Row[Any] | KnownKey]
) -> Iterable[Started]:
    by_id = {row.id: row for row in rows}
    # The job that has a key now is listed first, and stays.
    by_key = {(row.type, row.key): row for row in reversed(rows) if row.key is not None}
    fresh = {job for group in created for job in group}
    without_key: dict[int, Row[Any] | KnownKey] = {}
    for group, ids in zip(_kinds(batch), created, strict=True):
        if group[0].key is None:
            without_key |= {id(request): by_id[job] for request, job in zip(group, sorted(ids), strict=True)}
    for request in batch:
        row = without_key.get(id(request)) or by_key[request.recipe.type, str(request.key)]
        new = row.id in fresh
        # Of two who ask with one key at the same time, the first has made the job.
        fresh.discard(row.id)
        yield Started(row, new)


def _judged(connection: Connection, batch: Sequence[Request], answers: Sequence[Started]) -> list[Started]:
    """The answers, those with a conflict whose job was made by a request with other content."""
    known = [answer.row.id for answer in answers if not answer.created]
    if not known:
        return list(answers)
    columns = (jobs.c.id, jobs.c.payload, jobs.c.erased_at)
    rows = {row.id: row for row in connection.execute(select(*columns).where(jobs.c.id.in_(known)))}
    judged = []
    for request, answer in zip(batch, answers, strict=True):
        row = answer.row
        # The content of a job that retention has removed is not known any more.
        if not answer.created and (job := rows.get(row.id)) is not None:
            try:
                accept.require_same(
                    request.recipe,
                    job_name(row.id),
                    row.status,
                    job.payload,
                    request.payload,
                    erased=job.erased_at is not None,
                )
            except KeyReused as conflict:
                answer = Started(row, created=False, conflict=conflict)
        judged.append(answer)
    return judged
