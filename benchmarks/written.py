"""What PostgreSQL writes for a job: its log (WAL), commits, and how many updates are heap-only (HOT)."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Engine, text

from benchmarks.results import Result

#: The statistics of rows come in by and by: sessions report them when they are idle.
_FACTS = """
select
    pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 as wal,
    (select xact_commit from pg_stat_database where datname = current_database())::float8 as commits,
    (select sum(n_tup_upd) from pg_stat_user_tables)::float8 as updates,
    (select sum(n_tup_hot_upd) from pg_stat_user_tables)::float8 as hot
"""


class Written:
    """Measures what is written from now on."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._before = self._now()

    def per_job(self, jobs: int) -> dict[str, float]:
        """The log in KiB and the commits of one job, and the share of all updates that were heap-only."""
        now = self._now()
        since = {name: now[name] - before for name, before in self._before.items()}
        return {
            "walKib": round(since["wal"] / 1024 / jobs, 2),
            "commits": round(since["commits"] / jobs, 2),
            "hotShare": round(since["hot"] / max(1.0, since["updates"]), 2),
        }

    def _now(self) -> Mapping[str, float]:
        with self._engine.connect() as connection:
            return {
                name: value or 0.0
                for name, value in connection.execute(text(_FACTS)).mappings().one().items()
            }


def result(name: str, what: str, written: Mapping[str, float], bar: float, aim: float) -> Result:
    """What a job writes to the log, against its bar and its aim."""
    note = f"{written['commits']:g} commits, {written['hotShare']:.0%} of updates heap-only"
    return Result(name, what, written["walKib"], "KiB", bar=bar, aim=aim, at_most=True, note=note)
