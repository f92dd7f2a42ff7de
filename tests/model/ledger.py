"""What can happen to a job, one action at a time, as ledger, Redis, workers, agents and dispatchers have it.

Each guard of the ledger's SQL that the model has may be left out, to see what it is there for. Time is not
modelled: whatever may take long, may take as long as everything else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from hms_oms.jobs.states import TERMINAL, TRANSITIONS, Fact, Status

#: The guards that can be left out, and what they keep from happening.
GUARDS = {
    "claim: status": "an attempt is run twice",
    "claim: attempt": "an old ticket is good",
    "claim: pause": "a step begins in a paused queue",
    "claim: heartbeat": "a silent worker begins a step",
    "report: status": "a result is recorded twice",
    "report: attempt": "an old attempt is recorded",
    "report: step": "a result is recorded twice",
    "reserve: pause": "a step begins in a paused queue",
    "recovery: Redis": "a job is taken back whose message is there",
    "recovery: heartbeat": "a job is taken back from a worker that has it",
    "fence": "a former leader writes",
}
#: What is done for a job that nobody has; without it some are lost.
REPAIRS = ("recovery of running steps", "recovery of messages", "recovery of leases", "another leader")


class Ticket(NamedTuple):
    """A message, or what somebody holds: good for one attempt at one step."""

    attempt: int
    step: int


class Held(NamedTuple):
    """A ticket that a worker or an agent has, and how far it is with it."""

    ticket: Ticket
    phase: str  # received, claimed, run, or to be published


class State(NamedTuple):
    """Everything at one moment; `broken` says which promise the last action broke, if it did."""

    status: Status = Status.WAITING
    step: int = 0
    attempt: int = 1
    holder: int | None = None
    cancelling: bool = False
    paused: bool = False
    messages: tuple[Ticket, ...] = ()
    held: tuple[Held | None, ...] = (None, None)
    alive: tuple[bool, ...] = (True, True)
    heartbeats: tuple[bool, ...] = (True, True)
    term: int = 0
    terms: tuple[int, ...] = (0, 0)
    looked: tuple[bool, ...] = (False, False)
    publishing: tuple[Ticket | None, ...] = (None, None)
    recorded: tuple[int, ...] = (0, 0)
    runs: frozenset[Ticket] = frozenset()
    faults: int = 0
    people: int = 0
    broken: str | None = None


class Action(NamedTuple):
    """What has happened, and what it has led to."""

    name: str
    after: State


@dataclass(frozen=True)
class Model:
    """The actions that are possible in a state, with so many `faults` and interventions of `people` in all.

    `steps` says of each step whether a worker or an agent does it; what is in `without` is left out.
    """

    steps: tuple[str, ...] = ("worker", "worker")
    faults: int = 2
    people: int = 1
    without: frozenset[str] = frozenset()

    def first(self) -> State:
        """The job has been accepted; nobody leads yet."""
        return State(recorded=(0,) * len(self.steps))

    def actions(self, state: State) -> Iterator[Action]:
        """Everything that can happen next."""
        for part in (_lead, _dispatch, _work, _reserve, _report, _recover, _act, _fail):
            yield from part(self, state)

    def keeps(self, guard: str) -> bool:
        """Whether a guard, or a repair, is there."""
        return guard not in self.without


def _put(values: tuple, place: int, value: object) -> tuple:  # type: ignore[type-arg]
    return (*values[:place], value, *values[place + 1 :])


def _moved(state: State, fact: Fact, **changes: object) -> State:
    """The state after an event of the job; the transition must be one of the ledger's own table."""
    after = changes.get("status", state.status)
    if TRANSITIONS.get((state.status, fact)) != after and (fact, after) != (Fact.ADVANCED, Status.RUNNING):
        changes["broken"] = f"{state.status} -> {fact} -> {after} is no transition"
    return state._replace(**changes)  # type: ignore[arg-type]


def _is_agents(model: Model, state: State) -> bool:
    return model.steps[state.step] == "agent"


# Dispatchers


def _lead(model: Model, state: State) -> Iterator[Action]:
    """A dispatcher comes to lead: the former one is gone, or is taken for gone."""
    leads = state.term > 0 and state.term in state.terms
    for place, term in enumerate(state.terms):
        if term == state.term and term:
            continue
        if leads and (state.faults >= model.faults or not model.keeps("another leader")):
            continue
        if not leads and state.term and not model.keeps("another leader"):
            continue
        after = state._replace(term=state.term + 1, terms=_put(state.terms, place, state.term + 1))
        yield Action(f"dispatcher {place} leads", after._replace(faults=state.faults + leads))


def _leaders(model: Model, state: State) -> Iterator[tuple[int, str | None]]:
    """The dispatchers whose writes are taken, and the promise that each write breaks."""
    for place, term in enumerate(state.terms):
        is_former = term != state.term
        if term and not (is_former and model.keeps("fence")):
            yield place, "a former leader writes" if is_former else None


def _dispatch(model: Model, state: State) -> Iterator[Action]:
    """See that the queue is open, take the job into the window, and publish its message after that."""
    ticket = Ticket(state.attempt, state.step)
    if state.status == Status.WAITING and not _is_agents(model, state):
        for place, broken in _leaders(model, state):
            if not state.looked[place]:
                if not state.paused:
                    looked = _put(state.looked, place, True)
                    yield Action(f"dispatcher {place} looks", state._replace(looked=looked))
            elif state.publishing[place] is None:
                # The queue may have been paused since.
                looked, publishing = _put(state.looked, place, False), _put(state.publishing, place, ticket)
                after = _moved(
                    state, Fact.DISPATCHED, status=Status.QUEUED, looked=looked, publishing=publishing
                )
                yield Action(f"dispatcher {place} takes", after._replace(broken=broken or after.broken))
    for place, waiting in enumerate(state.publishing):
        if waiting is not None:
            messages = tuple(sorted((*state.messages, waiting)))
            after = state._replace(messages=messages, publishing=_put(state.publishing, place, None))
            yield Action(f"dispatcher {place} publishes", after)


# Workers and agents


def _work(model: Model, state: State) -> Iterator[Action]:
    """Take a message, claim its step, run it; a void ticket is dropped."""
    for place, item in enumerate(state.held):
        if not state.alive[place]:
            continue
        if item is None:
            for message in dict.fromkeys(state.messages):
                left = list(state.messages)
                left.remove(message)
                held = _put(state.held, place, Held(message, "received"))
                yield Action(f"worker {place} takes", state._replace(messages=tuple(left), held=held))
        elif item.phase == "received":
            yield _claimed(model, state, place, item.ticket)
        elif item.phase == "claimed":
            broken = "an attempt is run twice" if item.ticket in state.runs else state.broken
            held = _put(state.held, place, item._replace(phase="run"))
            after = state._replace(held=held, runs=state.runs | {item.ticket}, broken=broken)
            yield Action(f"{place} runs", after)
        elif item.phase == "to be published":
            messages = tuple(sorted((*state.messages, item.ticket)))
            held = _put(state.held, place, None)
            yield Action(f"worker {place} publishes", state._replace(messages=messages, held=held))


def _claimed(model: Model, state: State, place: int, ticket: Ticket) -> Action:
    silent, old = not state.heartbeats[place], ticket != (state.attempt, state.step)
    if silent and model.keeps("claim: heartbeat"):
        return Action(f"worker {place} is to ask again", state)
    void = (
        (state.status != Status.QUEUED and model.keeps("claim: status"))
        or (old and model.keeps("claim: attempt"))
        or (state.paused and model.keeps("claim: pause"))
        or state.status in TERMINAL
        or state.cancelling
    )
    if void:
        dropped = state._replace(held=_put(state.held, place, None))
        return Action(f"worker {place} drops a void ticket", dropped)
    broken = None
    if old:
        broken = "an old ticket is good"
    elif state.paused:
        broken = "a step begins in a paused queue"
    elif silent:
        broken = "a silent worker begins a step"
    held = _put(state.held, place, Held(ticket, "claimed"))
    after = state._replace(status=Status.RUNNING, holder=place, held=held, broken=broken)
    return Action(f"worker {place} claims", after)


def _reserve(model: Model, state: State) -> Iterator[Action]:
    """An agent takes the step under a new attempt."""
    if state.status != Status.WAITING or not _is_agents(model, state):
        return
    if state.paused and model.keeps("reserve: pause"):
        return
    for place, item in enumerate(state.held):
        if item is None and state.alive[place]:
            ticket = Ticket(state.attempt + 1, state.step)
            held = _put(state.held, place, Held(ticket, "claimed"))
            after = _moved(
                state, Fact.RESERVED, status=Status.RUNNING, attempt=ticket.attempt, holder=place, held=held
            )
            broken = "a step begins in a paused queue" if state.paused else after.broken
            yield Action(f"agent {place} reserves", after._replace(broken=broken))


def _report(model: Model, state: State) -> Iterator[Action]:
    """Report a step as done or failed; it may be reported again, if the answer was lost."""
    for place, item in enumerate(state.held):
        if item is None or item.phase != "run" or not state.alive[place]:
            continue
        gone = state._replace(held=_put(state.held, place, None))
        if not _is_taken(model, state, item.ticket):
            yield Action(f"the report of {place} comes too late", gone)
            continue
        for name, after in _completed(model, state, place, item.ticket):
            yield Action(f"{place} reports, and {name}", after)
            if state.faults < model.faults:
                held = _put(after.held, place, item)
                again = after._replace(held=held, faults=state.faults + 1)
                yield Action(f"{place} reports, {name}, and the answer is lost", again)
        if state.faults < model.faults and state.status == Status.RUNNING:
            failed = _moved(
                gone, Fact.RETRYING, status=Status.WAITING, attempt=state.attempt + 1, holder=None
            )
            yield Action(f"{place} has failed", failed._replace(faults=state.faults + 1))


def _is_taken(model: Model, state: State, ticket: Ticket) -> bool:
    return (
        (state.status == Status.RUNNING or not model.keeps("report: status"))
        and (ticket.attempt == state.attempt or not model.keeps("report: attempt"))
        and (ticket.step == state.step or not model.keeps("report: step"))
    )


def _completed(model: Model, state: State, place: int, ticket: Ticket) -> Iterator[tuple[str, State]]:
    recorded = _put(state.recorded, ticket.step, state.recorded[ticket.step] + 1)
    broken = "a result is recorded twice" if recorded[ticket.step] > 1 else None
    if ticket.attempt != state.attempt:
        broken = "an old attempt is recorded"
    if broken is not None:
        yield "that breaks a promise", state._replace(recorded=recorded, broken=broken)
        return
    free = _put(state.held, place, None)
    done = state._replace(recorded=recorded, held=free, holder=None)
    following = state.step + 1
    if following == len(model.steps):
        yield "the job is done", _moved(done, Fact.FINISHED, status=Status.DONE)
    elif state.cancelling:
        yield "the job is cancelled", _moved(done, Fact.CANCELLED, status=Status.CANCELLED)
    elif model.steps[following] == "agent" or state.paused:
        yield "it is handed over", _moved(done, Fact.HANDED_OVER, status=Status.WAITING, step=following)
    else:
        coming = Ticket(state.attempt, following)
        held = _put(state.held, place, Held(coming, "to be published"))
        yield (
            "a message is to follow",
            _moved(done, Fact.ADVANCED, status=Status.QUEUED, step=following, held=held),
        )
        if state.heartbeats[place]:
            held = _put(state.held, place, Held(coming, "claimed"))
            yield (
                "it goes on",
                _moved(done, Fact.ADVANCED, status=Status.RUNNING, step=following, held=held, holder=place),
            )


# Recovery


def _recover(model: Model, state: State) -> Iterator[Action]:
    """The leader takes back what nobody has; an agent's step, once its lease has run out."""
    ticket = Ticket(state.attempt, state.step)
    for place, former in _leaders(model, state):
        cost = 0
        if state.status == Status.RUNNING and state.holder is not None:
            lives = state.alive[state.holder] and state.heartbeats[state.holder]
            if _is_agents(model, state):
                # That a lease runs out whose agent lives is a fault of its own.
                is_slow = state.alive[state.holder]
                is_lost = model.keeps("recovery of leases") and (not is_slow or state.faults < model.faults)
                broken, cost = None, int(is_slow)
            else:
                item = state.held[state.holder]
                # One that lives, and does not name the job, never got the answer to its claim.
                has_it = lives and item is not None and item.ticket.attempt == state.attempt
                is_lost = model.keeps("recovery of running steps")
                is_lost = is_lost and not (has_it and model.keeps("recovery: heartbeat"))
                broken = "a job is taken back from a worker that has it" if has_it else None
        elif state.status == Status.QUEUED:
            is_there = ticket in state.messages
            held = any(
                item is not None and item.ticket == ticket and state.alive[at] and state.heartbeats[at]
                for at, item in enumerate(state.held)
            )
            # What is being published is given time.
            is_lost = not held and ticket not in state.publishing and model.keeps("recovery of messages")
            is_lost = is_lost and not (is_there and model.keeps("recovery: Redis"))
            broken = "a job is taken back whose message is there" if is_there else None
        else:
            continue
        if is_lost:
            end = Status.CANCELLED if state.cancelling else Status.WAITING
            fact = Fact.CANCELLED if state.cancelling else Fact.LOST
            faults = state.faults + cost
            after = _moved(state, fact, status=end, attempt=state.attempt + 1, holder=None, faults=faults)
            yield Action(
                f"dispatcher {place} takes it back", after._replace(broken=former or broken or after.broken)
            )


# People


def _act(model: Model, state: State) -> Iterator[Action]:
    """Pause and resume the queue; cancel the job, at the end of its step or now."""
    if state.paused:
        yield Action("the queue is resumed", state._replace(paused=False))
    if state.people >= model.people or state.status in TERMINAL:
        return
    state = state._replace(people=state.people + 1)
    if not state.paused:
        paused = state._replace(paused=True)
        if state.status == Status.QUEUED:
            paused = _moved(paused, Fact.RECALLED, status=Status.WAITING, attempt=state.attempt + 1)
        yield Action("the queue is paused", paused)
    if state.status == Status.RUNNING and not state.cancelling:
        yield Action("the job is to be cancelled", _moved(state, Fact.CANCEL_ASKED, cancelling=True))
    attempt = state.attempt + (state.status != Status.WAITING)
    cancelled = _moved(state, Fact.CANCELLED, status=Status.CANCELLED, attempt=attempt, holder=None)
    yield Action("the job is cancelled", cancelled)


# What goes wrong


def _fail(model: Model, state: State) -> Iterator[Action]:
    """Processes die and fall silent, messages are lost and doubled; what has died is started again."""
    for place, lives in enumerate(state.alive):
        if not lives:
            started = state._replace(
                alive=_put(state.alive, place, True), heartbeats=_put(state.heartbeats, place, True)
            )
            # Its steps are those of a worker that is gone: it starts under another name.
            if state.holder != place:
                yield Action(f"{place} is started again", started)
        elif not state.heartbeats[place]:
            yield Action(
                f"{place} is there again", state._replace(heartbeats=_put(state.heartbeats, place, True))
            )
    if state.faults >= model.faults:
        return
    state = state._replace(faults=state.faults + 1)
    for place, lives in enumerate(state.alive):
        if lives:
            held, alive = _put(state.held, place, None), _put(state.alive, place, False)
            yield Action(f"{place} dies", state._replace(held=held, alive=alive))
            if state.heartbeats[place]:
                silent = state._replace(heartbeats=_put(state.heartbeats, place, False))
                yield Action(f"{place} falls silent", silent)
    for place, term in enumerate(state.terms):
        if term:
            looked, publishing = _put(state.looked, place, False), _put(state.publishing, place, None)
            dead = state._replace(terms=_put(state.terms, place, 0), looked=looked, publishing=publishing)
            yield Action(f"dispatcher {place} dies", dead)
    if state.messages:
        yield Action("Redis loses its messages", state._replace(messages=()))
        doubled = tuple(sorted((*state.messages, state.messages[0])))
        yield Action("Redis doubles a message", state._replace(messages=doubled))
