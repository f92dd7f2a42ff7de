"""Two bands of a backlog: what was given up is taken last, what goes back or is put in front is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest
import sqlalchemy as sa

from hms_oms.database.connections import RawConnection
from hms_oms.jobs import commands, ledger, losses
from hms_oms.jobs.queries import explain, read
from hms_oms.jobs.records import Band
from hms_oms.jobs.tickets import Ticket
from hms_oms.queues import dispatch_windows
from hms_oms.recipes.recipes import Recipe
from hms_oms.undo import changes, undo
from tests.oms.test_hot import row
from tests.oms.test_ledger import claim, order


def give_up(engine: sa.Engine, *jobs: int) -> None:
    """Put jobs into the second band, as a plan does."""
    with engine.begin() as connection:
        connection.execute(
            sa.text("update oms.jobs set band = 1, given_up_at = oms.now() where id = any(:jobs)"),
            {"jobs": list(jobs)},
        )


def orders(engine: sa.Engine, shop: Recipe, minutes: Iterable[float]) -> list[int]:
    """A job for each SLA in minutes."""
    return [order(engine, shop, number, sla_minutes=sla).id for number, sla in enumerate(minutes, 1)]


def test_what_was_given_up_is_taken_last(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """Lists, places and both fronts say so; in each band the earliest deadline is first."""
    early, middle, late, last = orders(engine, shop, (5, 10, 20, 40))
    give_up(engine, early, late)
    [window] = [entry for entry in dispatch_windows.windows(raw) if entry.queue == "shop"]
    assert window.kept is not None
    assert window.given_up is not None
    assert (window.front, window.kept.job, window.given_up.job) == (window.kept, middle, early)
    with engine.connect() as connection:
        peeked = [job.id for job in read.peek(connection, "shop", 10)]
        assert [explain.standing(connection, job).position for job in (early, middle, late, last)] == [
            3,
            1,
            4,
            2,
        ]
    assert peeked == [middle, last, early, late]
    taken = ledger.take(raw, "shop", 3)
    assert [job.job for job in taken] == peeked[:3]
    assert [job.place.band for job in taken] == [Band.KEPT, Band.KEPT, Band.GIVEN_UP]
    [window] = [entry for entry in dispatch_windows.windows(raw) if entry.queue == "shop"]
    assert window.kept is None
    assert window.front is not None
    assert window.front.job == late


def test_a_place_in_the_second_band_leaves_the_first_alone(
    engine: sa.Engine, raw: RawConnection, shop: Recipe
) -> None:
    """A take from there takes what was given up, although there is more that is kept."""
    early, middle = orders(engine, shop, (5, 10))
    give_up(engine, middle)
    [window] = [entry for entry in dispatch_windows.windows(raw) if entry.queue == "shop"]
    assert [job.job for job in ledger.take(raw, "shop", 1, window.given_up)] == [middle]
    assert [job.job for job in ledger.take(raw, "shop", 1)] == [early]


def test_a_hand_wins(engine: sa.Engine, raw: RawConnection, shop: Recipe) -> None:
    """A promoted job is the next one, though it was given up and others of its band have a priority."""
    early, middle, late = orders(engine, shop, (5, 10, 20))
    give_up(engine, middle, late)
    with engine.begin() as connection:
        connection.execute(sa.text("update oms.jobs set priority = 7 where id = :job"), {"job": middle})
        change = changes.begin(connection, "promote", who="test")
        assert commands.promote(connection, late, who="test", reason=None, change=change) == [late]
    assert row(engine, late)["given_up_at"] is None
    assert row(engine, late)["priority"] == 8
    assert [job.job for job in ledger.take(raw, "shop", 3)] == [late, early, middle]
    with engine.begin() as connection:
        undo.undo(connection, change, who="test", manager=False)
    assert (row(engine, late)["band"], row(engine, late)["priority"]) == (0, 0)


def _failed(engine: sa.Engine, raw: RawConnection, job: int) -> None:
    assert claim(raw, job, "pick")
    ledger.fail(raw, Ticket(job, 1, "pick"), {"type": "E"}, retry_after=0, worker="w")


def _lost(engine: sa.Engine, raw: RawConnection, job: int) -> None:
    assert losses.lose(raw, [Ticket(job, 1, "pick")], "test", blame="none") == 1


def _paused(engine: sa.Engine, raw: RawConnection, job: int) -> None:
    with engine.begin() as connection:
        assert commands.pause(connection, "shop", who="test", reason=None) == 1
        commands.resume(connection, "shop")


def _cancelled(engine: sa.Engine, raw: RawConnection, job: int) -> None:
    with engine.begin() as connection:
        commands.cancel(connection, [job], who="test", reason=None)
        assert commands.reinstate(connection, [job], who="test", reason=None) == [job]


def _revived(engine: sa.Engine, raw: RawConnection, job: int) -> None:
    assert claim(raw, job, "pick")
    ledger.fail(raw, Ticket(job, 1, "pick"), {"type": "E"}, retry_after=None, worker="w")
    with engine.begin() as connection:
        assert commands.retry(connection, [job], who="test", reason=None) == [job]


def _by_the_release_before(engine: sa.Engine, raw: RawConnection, job: int) -> None:
    with engine.begin() as connection:
        connection.execute(sa.text("update oms.jobs set status = 'waiting' where id = :job"), {"job": job})


@pytest.mark.parametrize("go_back", [_failed, _lost, _paused, _cancelled, _revived, _by_the_release_before])
def test_what_goes_back_is_kept_again(
    engine: sa.Engine,
    raw: RawConnection,
    shop: Recipe,
    go_back: Callable[[sa.Engine, RawConnection, int], None],
) -> None:
    """The next plan judges it; the cell tells the step at which it waits."""
    job = order(engine, shop).id
    give_up(engine, job)
    with engine.begin() as connection:
        connection.execute(sa.text("update oms.jobs set cell = 64 * 5 + 2 where id = :job"), {"job": job})
    assert len(ledger.take(raw, "shop", 1)) == 1
    go_back(engine, raw, job)
    after = row(engine, job)
    assert (after["status"], after["band"], after["given_up_at"], after["cell"]) == (
        "waiting",
        0,
        None,
        64 * 5,
    )
    assert [taken.job for taken in ledger.take(raw, "shop", 1)] == [job]
