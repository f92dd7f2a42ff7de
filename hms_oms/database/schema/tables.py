"""The tables as SQLAlchemy knows them, for plain reads; a test holds them against the migrations."""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

metadata = MetaData(schema="oms")
_Time = DateTime(timezone=True)

jobs = Table(
    "jobs",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("type", Text, nullable=False),
    Column("recipe_id", Integer, nullable=False),
    Column("steps", ARRAY(Text), nullable=False),
    Column("queue", Text, nullable=False),
    Column("agent", Boolean, nullable=False),
    Column("status", Text, nullable=False),
    Column("step", SmallInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("failures", SmallInteger, nullable=False),
    Column("losses", SmallInteger, nullable=False),
    Column("suspicions", SmallInteger, nullable=False),
    Column("lost_with", ARRAY(Text), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("sla", _Time, nullable=False),
    Column("sla_minutes", Double, nullable=False),
    Column("ready_at", _Time),
    Column("payload", JSONB, nullable=False),
    Column("results", JSONB, nullable=False),
    Column("outcome", Text),
    Column("error", JSONB),
    Column("worker", Text),
    Column("lease_until", _Time),
    Column("cancel_by", Text),
    Column("batch_id", BigInteger),
    Column("key", Text),
    Column("freed_key", Text),
    Column("requested_by", Text, nullable=False),
    Column("created_at", _Time, nullable=False),
    Column("since", _Time, nullable=False),
    Column("dispatched_at", _Time),
    Column("started_at", _Time),
    Column("finished_at", _Time),
    Column("replaces", BigInteger),
    Column("erased_at", _Time),
    Column("cell", Integer, nullable=False),
    Column("band", SmallInteger, nullable=False),
    Column("given_up_at", _Time),
    Column("must", Boolean, nullable=False),
    Column("due", _Time),
    Column("progress", JSONB),
    Column("unique_key", Text),
    Column("limit_key", Text),
    Column("limit_at_once", Integer),
    Column("limit_starts", Integer),
    Column("event", Text),
    Column("calendar_id", Integer),
    Column("clock_from", _Time),
    Column("parent_id", BigInteger),
    Column("part", Integer),
    Column("held_at", _Time),
    Column("held_seconds", Double),
    Column("held_ready_at", _Time),
    Column("cancelled_with", BigInteger),
)

job_events = Table(
    "job_events",
    metadata,
    Column("job_id", BigInteger, primary_key=True),
    Column("id", BigInteger, primary_key=True),
    Column("at", _Time, nullable=False),
    Column("fact", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("step", SmallInteger, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("who", Text),
    Column("detail", JSONB),
)

job_search = Table(
    "job_search",
    metadata,
    Column("job_id", BigInteger, primary_key=True),
    Column("words", Text, nullable=False),
)

unindexed_words = Table(
    "unindexed_words",
    metadata,
    Column("job_id", BigInteger, nullable=False),
    Column("words", Text, nullable=False),
)

batches = Table(
    "batches",
    metadata,
    Column("id", BigInteger, primary_key=True),
    Column("type", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("accepted", Integer, nullable=False),
    Column("duplicates", Integer, nullable=False),
    Column("differing", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    Column("created_at", _Time, nullable=False),
    Column("closed_at", _Time),
    Column("ended_at", _Time),
    Column("final_report", JSONB),
    Column("rows_erased_at", _Time),
)
