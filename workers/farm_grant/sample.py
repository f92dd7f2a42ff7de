"""A file of applications to try the daily cycle with: mostly good ones, and all that people get wrong.

Nobody real can be reached by it: every phone number is one of those kept free for fiction (555-01xx).
"""

from __future__ import annotations

import csv
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from itertools import cycle
from typing import TextIO

from hms_oms.recipes import counties
from workers.farm_grant import rules

COLUMNS = ("app_id", "name", "phone", "county_fips", "crop", "acres", "amount_requested", "submitted_on")
#: The share of applications that break rules, and those of extra lines: unreadable ones, and repeated ones.
REJECTED, UNREADABLE, REPEATED = 0.08, 0.01, 0.01

Application = dict[str, str]


def write(stream: TextIO, applications: int, seed: int, today: date) -> None:
    """Write a CSV of this many distinct readable applications, with faults, duplicates and junk among them.

    The same seed gives the same file, another seed other applications. What only a damaged file holds
    (NUL characters, bytes that are no text) is left out, so that any program can open it.
    """
    chance = random.Random(seed)  # noqa: S311 -- the same seed must give the same file
    farms = _Farms(chance, seed, today)
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    rejected = _rejected(chance, applications)
    unreadable = _spread(chance, applications, UNREADABLE)
    repeated = _spread(chance, applications, REPEATED)
    junk = cycle(chance.sample(_JUNK, len(_JUNK)))
    written: list[list[str]] = []
    open_quotes = 0
    for position in range(applications):
        farm = farms.application()
        for code in rejected.get(position, ()):
            _BREAKS[code](farm, chance, today)
        written.append(list(farm.values()))
        writer.writerow(written[-1])
        for _ in range(repeated[position]):
            writer.writerow(chance.choice(written))
        for spoil in (next(junk) for _ in range(unreadable[position])):
            cells = spoil(farms.application())
            open_quotes += not cells
            if cells:
                writer.writerow(cells)
    # At the end, where they can swallow nothing, anyone who reads the file.
    for _ in range(open_quotes):
        stream.write(f'{farms.application()["app_id"]},"Two Rivers Ranch\n')


def _rejected(chance: random.Random, applications: int) -> dict[int, list[str]]:
    """Which applications break which rules: each rule in its turn, some with others, one all of them."""
    positions = chance.sample(range(applications), round(applications * REJECTED))
    broken = {}
    for turn, position in enumerate(positions):
        code = BROKEN[turn % len(BROKEN)]
        others = chance.sample(BROKEN, chance.choice([0, 0, 0, 0, 1, 1, 2]))
        broken[position] = list(BROKEN) if turn == 6 else list(dict.fromkeys([code, *others]))
    return broken


def _spread(chance: random.Random, applications: int, share: float) -> Counter[int]:
    """After which applications the extra lines stand, and how many."""
    count = math.ceil(applications * share)
    return Counter(chance.choices(range(applications), k=count) if applications else ())


class _Farms:
    """Makes up one good application after the other."""

    def __init__(self, chance: random.Random, seed: int, today: date) -> None:
        self._chance = chance
        self._today = today
        self._counties = sorted(counties.codes())
        self._number = seed % 9_000_000 * 1_000_000

    def application(self) -> Application:
        """The next one, with a number that no other has."""
        chance = self._chance
        self._number += chance.randint(1, 3)
        county = chance.choice(self._counties)
        acres = chance.choice([chance.randint(3, 5000) * 100, chance.randint(300, 90_000), 16_000])
        limit = min(rules.MOST_AMOUNT * 100, rules.MOST_PER_ACRE * acres)
        amount = chance.choice([limit, limit // 10_000 * 10_000 or limit, chance.randint(limit // 5, limit)])
        return {
            "app_id": str(self._number),
            "name": _name(chance),
            "phone": _phone(chance, county[:2]),
            "county_fips": county,
            "crop": chance.choice(rules.CROPS),
            "acres": _decimal(acres),
            "amount_requested": _decimal(amount),
            "submitted_on": str(self._today - timedelta(days=chance.randint(1, 30))),
        }


def _decimal(hundredths: int) -> str:
    whole, rest = divmod(hundredths, 100)
    return f"{whole}.{rest:02}" if rest else str(whole)


def _phone(chance: random.Random, state: str) -> str:
    area = _AREA_CODES.get(state) or chance.choice(list(_AREA_CODES.values()))
    line = f"01{chance.randint(0, 99):02}"
    style = chance.choice(["({}) 555-{}", "{}-555-{}", "+1 {} 555 {}", "{}555{}", "1-{}-555-{}", "{}.555.{}"])
    return style.format(area, line)


def _name(chance: random.Random) -> str:
    given, family = chance.choice(_GIVEN), chance.choice(_FAMILIES)
    plain = [f"{given} {family}"] * 12
    styled = [
        f"{family} Family Farm, LLC",
        f"{family}, {given}",
        f'{given} "Bud" {family}',
        f"{family} & Sons",
    ]
    lines = [f"{family} Ranch\nc/o {given} {family}"] if chance.random() < 0.1 else []
    return chance.choice([*plain, *styled, chance.choice(_FULL_NAMES), chance.choice(_FULL_NAMES), *lines])


def _break_phone(farm: Application, chance: random.Random, _today: date) -> None:
    bad = ["555-0123", "(999) 555-0100", "+44 20 7946 0018", "312-555-01", "(011) 555-0199"]
    farm["phone"] = chance.choice(bad)


def _break_crop(farm: Application, chance: random.Random, _today: date) -> None:
    farm["crop"] = chance.choice(
        ["Corn", "alfalfa", "soy beans", "tulips", "maize", "christmas trees", "WHEAT"]
    )


def _break_acres(farm: Application, chance: random.Random, _today: date) -> None:
    farm["acres"] = chance.choice(["50000.01", "82000", "1e6"])


def _break_amount(farm: Application, chance: random.Random, _today: date) -> None:
    limit = min(rules.MOST_AMOUNT * 100, round(float(farm["acres"]) * rules.MOST_PER_ACRE * 100))
    farm["amount_requested"] = chance.choice(["250000.01", "1e9", _decimal(limit + 1)])


def _break_date(farm: Application, chance: random.Random, today: date) -> None:
    # Two days at least, so that it is the future wherever today is still yesterday or already tomorrow.
    farm["submitted_on"] = str(today + timedelta(days=chance.choice([2, 7, 30, 365, 3650])))


_BREAKS: dict[str, Callable[[Application, random.Random, date], None]] = {
    "phone": _break_phone,
    "crop": _break_crop,
    "acres": _break_acres,
    "amount": _break_amount,
    "date": _break_date,
}
#: The rules that readable applications break; a code of no county is refused before.
BROKEN = tuple(code for code in rules.CODES if code in _BREAKS)


def _spoiled(column: str, text: str) -> Callable[[Application], list[str]]:
    return lambda farm: list({**farm, column: text}.values())


def _all_junk() -> Iterator[Callable[[Application], list[str]]]:
    """Every way in which a row cannot be read: what makes its cells, or no cells for an open quote."""
    typed = {
        "app_id": ["0", "-17", "20.5", "9007199254740993"],
        "name": ["Long Acre " * 31],
        "phone": ["call the neighbours, they know when we are at home", "3.12555E+09"],
        # Spreadsheets take a code for a number and drop its leading zero.
        "county_fips": ["1001", "19998"],
        "acres": ["NaN", "1e999", "1,200", "0"],
        "amount_requested": ["$25000", "-500"],
        "submitted_on": ["11/20/2026", "46346", "2026-02-30", "0026-11-20"],
    }
    for column in COLUMNS:
        for text in ["", *typed.get(column, ())]:
            yield _spoiled(column, text)
    yield lambda farm: [farm["app_id"], "Lee", " Ann", *list(farm.values())[2:]]
    yield lambda farm: list(farm.values())[:5]
    yield lambda _: []


_JUNK = tuple(_all_junk())

# One area code for each state and territory.
_AREA_CODE_LIST = """
01:205 02:907 04:480 05:501 06:559 08:970 09:860 10:302 11:202 12:863 13:229 15:808 16:208
17:217 18:765 19:515 20:785 21:270 22:337 23:207 24:410 25:413 26:517 27:507 28:662 29:573
30:406 31:308 32:775 33:603 34:609 35:575 36:315 37:919 38:701 39:419 40:405 41:541 42:717
44:401 45:803 46:605 47:731 48:806 49:435 50:802 51:540 53:509 54:304 55:608 56:307
60:684 66:671 69:670 72:787 78:340
"""
_AREA_CODES = dict(pair.split(":") for pair in _AREA_CODE_LIST.split())
_GIVEN = (
    *("Amos", "Beatriz", "Caleb", "Delia", "Ezra", "Fay", "Gus", "Hazel", "Ingrid", "José", "Karla", "Lena"),
    *("María", "Nils", "Otto", "Pearl", "Quentin", "Renée", "Søren", "Thủy", "Uma", "Viktor", "Wren", "Zoë"),
)
_FAMILIES = (
    *("Abernathy", "Begay", "Castañeda", "Dvořák", "Eriksson", "Fontenot", "García", "Hernández", "Iverson"),
    *("Jørgensen", "Kowalski", "Łukaszewicz", "Müller", "Nguyễn", "O'Brien", "Peña", "Quintana", "Robinson"),
    *("Schröder", "Tsosie", "Underhill", "Vang", "Washington", "Xiong", "Yoder", "Zimmerman"),
)
_FULL_NAMES = (
    *(
        "王秀英",
        "李伟",
        "佐藤 さくら",
        "김민준",
        "Nguyễn Văn An",
        "محمد العلي",
        "دیدار سنگھ",
        "שרה לוי",
        "Олена Шевченко",
    ),
    *(
        "Дмитрий Иванов",
        "Δημήτρης Παπαδάκης",
        "गुरप्रीत कौर",
        "ਗੁਰਪ੍ਰੀਤ ਸਿੰਘ",
        "አበበ በቀለ",
        "สมชาย ใจดี",
        "Ngô Thị Bích",
    ),
)
