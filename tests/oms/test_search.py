"""Jobs are found by parts of the words that their recipe shows, however those are written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import pytest
import sqlalchemy as sa
from hypothesis import given

from hms_act import accept
from hms_oms.database import statements
from hms_oms.jobs.queries import read, search
from hms_oms.recipes.recipes import Recipe
from tests.conftest import shop_recipes

#: Words as people write them: letters of many scripts with their marks, and digits.
WORDS = st.text(st.characters(categories=("L", "M", "N"), codec="utf-8"), min_size=3, max_size=30)


SHOP = shop_recipes()["shop:order:v1"]


def accepted(engine: sa.Engine, recipe: Recipe, *payloads: dict[str, Any]) -> list[int]:
    """Accept requests at once, and return their jobs."""
    with engine.begin() as connection:
        return list(accept.accept_many(connection, recipe, payloads, requested_by="test").jobs)


def matches(engine: sa.Engine, text: str, **others: Any) -> list[int]:
    """The jobs that a search lists, the newest first."""
    with engine.connect() as connection:
        selected = read.Filter(words=tuple(search.terms(text)), **others)
        return [job.id for job in read.find(connection, selected, limit=10)]


def unindexed(engine: sa.Engine) -> int | None:
    """How many jobs have words that the index does not have yet."""
    with engine.connect() as connection:
        return connection.scalar(sa.text("select count(*) from oms.unindexed_words"))


@given(name=WORDS)
def test_a_name_is_found_in_any_case(name: str) -> None:
    """What somebody types in capitals, or in small letters, is a part of the words that are kept."""
    words = search.words_of(SHOP, {"number": 1, "name": f"Dr {name} jr"}, "1")
    for typed in (name, name.upper(), name.lower()):
        if search.folded(typed) == search.folded(name):
            assert search.folded(typed) in words


@pytest.mark.parametrize(
    "typed",
    [
        "zoe",
        "ZOË",
        "berg zo",
        "ström",
        "strom",
        "lukasz",
        "job-2",
        "2",
        "+1 (202) 555-0123",
        "202-555-0123",
        "5550123",
    ],
)
def test_a_job_is_found_by_what_people_know_of_it(engine: sa.Engine, shop: Recipe, typed: str) -> None:
    """A part of the name without its accents, the phone however it is written, the number of the job."""
    other = {"number": 7001, "name": "Ann Lee", "phone": "+12025550999"}
    meant = {"number": 7002, "name": "Zo\u00eb Str\u00f6mberg-\u0141ukasz", "phone": "+1 202 555 0123"}
    jobs = accepted(engine, shop, other, meant)
    assert matches(engine, typed) == [jobs[1]]


@pytest.mark.parametrize("typed", ["(202)", "555-01", "202.555", "+1202", "202-5 yun"])
def test_a_part_of_a_phone_is_found_however_either_is_written(
    engine: sa.Engine, shop: Recipe, typed: str
) -> None:
    """The phone is kept as digits; what is no phone, as the number of a lot, is found as it stands."""
    [job, _] = accepted(
        engine,
        shop,
        {"number": 1, "name": "Yun Ha", "phone": "+1 202-555 0123"},
        {"number": 2, "name": "Lot 9-77"},
    )
    assert matches(engine, typed) == [job]
    assert matches(engine, "9-77") == [job + 1]


def test_a_job_is_found_before_and_after_the_index_has_its_words(engine: sa.Engine, shop: Recipe) -> None:
    """A search reads what is not indexed yet, and each job is listed once."""
    first, second = accepted(engine, shop, {"number": 1, "name": "Ann"}, {"number": 2, "name": "Ann"})
    assert matches(engine, "ann") == [second, first]
    with engine.begin() as connection:
        assert not search.index(connection)
    third = accepted(engine, shop, {"number": 3, "name": "Ann"})
    assert matches(engine, "ann") == [*third, second, first]


def test_words_are_indexed_a_bite_at_a_time(
    engine: sa.Engine, shop: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each bite takes so many, and says whether there are more; none while retention removes words."""
    monkeypatch.setattr(search, "BITE", 2)
    accepted(engine, shop, *({"number": n, "name": "Ann"} for n in range(1, 4)))
    with engine.begin() as pruning:
        statements.run(pruning, "begin_pruning", {})
        with engine.begin() as connection:
            assert not search.index(connection)
    assert unindexed(engine) == 3
    for more, left in ((True, 1), (False, 0)):
        with engine.begin() as connection:
            assert search.index(connection) is more
        assert unindexed(engine) == left


def test_each_job_has_its_own_words(engine: sa.Engine, shop: Recipe) -> None:
    """Of requests with keys and without, one of which was known already, each job has those of its own."""
    accepted(engine, shop, {"number": 1, "name": "known"})
    keyless = replace(shop, key=None)
    first, second = accepted(engine, shop, *({"number": n, "name": f"name{n}"} for n in (1, 2, 3)))
    third, fourth = accepted(engine, keyless, {"number": 4, "name": "same4"}, {"number": 4, "name": "same5"})
    assert [matches(engine, name) for name in ("name1", "name2", "name3")] == [[], [first], [second]]
    assert [matches(engine, name) for name in ("same4", "same5")] == [[third], [fourth]]


def test_signs_of_a_pattern_are_letters(engine: sa.Engine, shop: Recipe) -> None:
    """A percent sign, an underscore and a backslash stand for themselves."""
    [odd, _] = accepted(
        engine, shop, {"number": 1, "name": 'a_50%\\b"{c}'}, {"number": 2, "name": "axx50xxb"}
    )
    for typed in ("_50", "50%", "a_50%\\b", 'b"{c}'):
        assert matches(engine, typed) == [odd]


def test_other_filters_narrow_a_search(engine: sa.Engine, shop: Recipe) -> None:
    """A search within a queue, a status or a time lists no other job."""
    [job] = accepted(engine, shop, {"number": 1, "name": "Ann"})
    assert matches(engine, "ann", queue="shop", status=("waiting",)) == [job]
    assert matches(engine, "ann", status=("done",)) == []


def test_the_newest_of_very_many_are_listed(
    engine: sa.Engine, shop: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of jobs that all have a word only the newest are looked at, and it is said that there are more."""
    jobs = accepted(engine, shop, *({"number": n, "name": "Ann"} for n in range(1, 6)))
    with engine.connect() as connection:
        assert not search.has_more(connection, ["ann"])
        monkeypatch.setattr(search, "MOST_MATCHES", 3)
        assert search.has_more(connection, ["ann"])
    assert matches(engine, "ann") == jobs[:1:-1]


@pytest.mark.parametrize("text", ["an", "a b c", "..", "  "])
def test_a_search_for_next_to_nothing_is_refused(text: str) -> None:
    """Nearly every job has each two letters somewhere."""
    with pytest.raises(search.TooShort, match="at least 3"):
        search.terms(text)


def test_a_recipe_that_shows_nothing_keeps_no_words(engine: sa.Engine, shop: Recipe) -> None:
    """What no list shows is not written once more."""
    accepted(engine, replace(shop, show=()), {"number": 1, "name": "Ann"})
    assert unindexed(engine) == 0
