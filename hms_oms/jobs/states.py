"""The states of a job, and the transitions that SQL guards, documents and tests are checked against."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Status(StrEnum):
    """Status of a job."""

    WAITING = "waiting"  # in the ledger's backlog, ordered by deadline
    QUEUED = "queued"  # its ticket is in the short window in front of the workers
    RUNNING = "running"  # a worker, or an agent with a lease, has claimed the step
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL = frozenset({Status.DONE, Status.FAILED, Status.CANCELLED})
OPEN = frozenset(Status) - TERMINAL


class Fact(StrEnum):
    """Type of an event; each event is one line of a job's event log."""

    ACCEPTED = "accepted"
    DISPATCHED = "dispatched"
    CLAIMED = "claimed"
    ADVANCED = "advanced"
    HANDED_OVER = "handed over"
    FINISHED = "finished"
    RETRYING = "retrying"
    FAILED = "failed"
    AWAITING = "awaiting"
    SLEEPING = "sleeping"
    SIGNALLED = "signalled"
    TIMED_OUT = "timed out"
    SPLIT = "split"
    JOINED = "joined"
    PART_FAILED = "part failed"
    LOST = "lost"
    POISONED = "poisoned"
    RESERVED = "reserved"
    CANCELLED = "cancelled"
    CANCEL_ASKED = "cancel asked"
    CANCEL_WITHDRAWN = "cancel withdrawn"
    REINSTATED = "reinstated"
    REVIVED = "revived"
    RECALLED = "recalled"
    PROMOTED = "promoted"
    REPRIORITIZED = "reprioritized"
    MOVED = "moved"
    DELAYED = "delayed"
    HELD = "held"
    ANSWERED = "answered"


TRANSITIONS: Mapping[tuple[Status, Fact], Status] = {
    # The dispatcher puts the front of the backlog into the window.
    (Status.WAITING, Fact.DISPATCHED): Status.QUEUED,
    # A worker takes the ticket: the guard on attempt and step makes it the only one.
    (Status.QUEUED, Fact.CLAIMED): Status.RUNNING,
    # A step is complete and the next one is a worker's: its message follows at once.
    (Status.RUNNING, Fact.ADVANCED): Status.QUEUED,
    # A step is complete and the next one is an agent's: it waits to be reserved.
    (Status.RUNNING, Fact.HANDED_OVER): Status.WAITING,
    # A step is complete and the next one is over when an event is signalled.
    (Status.RUNNING, Fact.AWAITING): Status.WAITING,
    # A step is complete and the next one begins at a later time.
    (Status.RUNNING, Fact.SLEEPING): Status.WAITING,
    # The event has come, or has not come in time: the dispatcher completes its step, or fails it, at once.
    (Status.WAITING, Fact.SIGNALLED): Status.RUNNING,
    (Status.WAITING, Fact.TIMED_OUT): Status.RUNNING,
    # The step is split into its parts, for which the job waits.
    (Status.WAITING, Fact.SPLIT): Status.WAITING,
    # All its parts are done, or one has failed: the dispatcher completes the step, or fails it, at once.
    (Status.WAITING, Fact.JOINED): Status.RUNNING,
    (Status.WAITING, Fact.PART_FAILED): Status.RUNNING,
    # The last step is complete, or a step has rejected the job.
    (Status.RUNNING, Fact.FINISHED): Status.DONE,
    # A step failed and may be tried again, now or later.
    (Status.RUNNING, Fact.RETRYING): Status.WAITING,
    # A step failed and its attempts are used up.
    (Status.RUNNING, Fact.FAILED): Status.FAILED,
    # The message is gone from the broker, and nobody holds it.
    (Status.QUEUED, Fact.LOST): Status.WAITING,
    # The worker is gone, or the lease has run out.
    (Status.RUNNING, Fact.LOST): Status.WAITING,
    # The same step has lost too many workers.
    (Status.RUNNING, Fact.POISONED): Status.FAILED,
    # An agent takes the most urgent job whose step is an agent's.
    (Status.WAITING, Fact.RESERVED): Status.RUNNING,
    # A person stops it: at once, by a stale ticket, or at the next step boundary.
    (Status.WAITING, Fact.CANCELLED): Status.CANCELLED,
    (Status.QUEUED, Fact.CANCELLED): Status.CANCELLED,
    (Status.RUNNING, Fact.CANCELLED): Status.CANCELLED,
    # A person stops a job that runs: the step is finished first.
    (Status.RUNNING, Fact.CANCEL_ASKED): Status.RUNNING,
    # A person lets it go on after all.
    (Status.RUNNING, Fact.CANCEL_WITHDRAWN): Status.RUNNING,
    # A person has a cancelled job done after all, from the step at which it stood.
    (Status.CANCELLED, Fact.REINSTATED): Status.WAITING,
    # A person has it tried again from the step that failed.
    (Status.FAILED, Fact.REVIVED): Status.WAITING,
    # A person pauses the queue: what is in the window goes back, its tickets go stale.
    (Status.QUEUED, Fact.RECALLED): Status.WAITING,
    # A person changes the order. What is in the window goes back first, to be taken again.
    (Status.WAITING, Fact.PROMOTED): Status.WAITING,
    (Status.QUEUED, Fact.PROMOTED): Status.WAITING,
    (Status.WAITING, Fact.REPRIORITIZED): Status.WAITING,
    (Status.QUEUED, Fact.REPRIORITIZED): Status.WAITING,
    (Status.WAITING, Fact.MOVED): Status.WAITING,
    (Status.QUEUED, Fact.MOVED): Status.WAITING,
    (Status.WAITING, Fact.DELAYED): Status.WAITING,
    (Status.QUEUED, Fact.DELAYED): Status.WAITING,
    # A person asks the applicant something: the job's clock stands until the answer comes.
    (Status.WAITING, Fact.HELD): Status.WAITING,
    (Status.QUEUED, Fact.HELD): Status.WAITING,
    (Status.WAITING, Fact.ANSWERED): Status.WAITING,
}


def allowed_before(fact: Fact) -> frozenset[Status]:
    """The statuses that a job may be in when `fact` happens to it."""
    return frozenset(before for before, happened in TRANSITIONS if happened == fact)


#: The one count of jobs that have not ended, as columns over oms.jobs: for queues, cycles and all that shows
#: them. A delayed job whose time has come is ready once the dispatcher has seen it. One that is held waits
#: for an answer of the applicant.
OPEN_COUNTS = """
    count(*) filter (where status = 'waiting' and ready_at is null) as waiting,
    count(*) filter (where status = 'waiting' and ready_at is not null and held_at is null) as delayed,
    count(*) filter (where status = 'queued') as queued,
    count(*) filter (where status = 'running') as running,
    count(*) filter (where status = 'waiting' and held_at is not null) as held"""

#: What people read, by the name of the count in JSON.
WORDS = {
    "waiting": "ready",
    "delayed": "delayed",
    "queued": "queued",
    "running": "running",
    "held": "held",
}
