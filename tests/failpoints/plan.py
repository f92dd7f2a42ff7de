"""What is tried: each point with each of its faults, and pairs; the points are declared in points.toml."""

from __future__ import annotations

import itertools
import random
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.failpoints.points import AFTER, BEFORE, Fault, Point

DECLARED = Path(__file__).parent / "points.toml"
_SIDES = ("before", "after")
_KINDS = {"before": BEFORE, "after": AFTER}
_WRITTEN = re.compile(r"(?:(before|after) )?(\w+): (.+?)(?: \((\d+)\))?")
#: A read changes nothing: dying before it or after it is dying between the writes on both its sides.
_READS = re.compile(
    r": (select|fence)|^(windows|wake|clock|part_states|part_results|held_reservation|sends|claimed|begun)$"
)
#: What is passed when a program starts, or when what it keeps in memory is too old.
_AT_TIMES = re.compile(
    r"revoked|snapshots|_require_known|history|metrics"
    r"|redis (MULTI|EVALSHA|SCRIPT|PSUBSCRIBE)"
)


@dataclass(frozen=True, slots=True)
class Trial:
    """A run: a path that is walked, and what strikes on it.

    With `upkeep`, the program with this name is started again first: what strikes stands in its loops.
    """

    path: str
    faults: tuple[Fault, ...]
    upkeep: str | None = None

    def __str__(self) -> str:
        place = "upkeep" if self.upkeep else self.path
        return f"{place}: {'; '.join(map(str, self.faults))}"


@dataclass(frozen=True, slots=True)
class Declared:
    """The points of each path, in their order, and those that a program passes on no path, by its name."""

    paths: Mapping[str, Sequence[Point]]
    upkeep: Mapping[str, Sequence[Point]]


def declared(file: Path = DECLARED) -> Declared:
    """The points that are declared."""
    document = tomllib.loads(file.read_text())
    return Declared(
        {name: list(_points(lines)) for name, lines in document["paths"].items()},
        {name: list(_points(lines)) for name, lines in document["upkeep"].items()},
    )


def tidied(points: Declared) -> Declared:
    """The points, each where it belongs: what is passed at some times only is upkeep, whatever the path.

    What the API does to accept a job is the same on each path: it stands on the first one.
    """
    first, *_ = points.paths
    paths = {
        name: [
            point
            for point in places
            if not _AT_TIMES.search(point.call)
            and (name == first or point.program != "floor" or point not in points.paths[first])
        ]
        for name, places in points.paths.items()
    }
    known = {
        point for places in points.paths.values() for point in places if not _AT_TIMES.search(point.call)
    }
    upkeep = {
        program: [point for point in dict.fromkeys(places) if point not in known]
        for program, places in points.upkeep.items()
    }
    return Declared(paths, upkeep)


def write(points: Declared, file: Path = DECLARED) -> None:
    """Declare these points; the statements that are passed nowhere stay as they are."""
    head, mark, rest = file.read_text().partition("\n[elsewhere]\n")
    lines = [head[: head.index("\n[paths]\n")].rstrip()]
    for section, parts in (("paths", points.paths), ("upkeep", points.upkeep)):
        lines += ["", f"[{section}]"]
        for name, places in parts.items():
            lines += [f"{name} = [", *(f'    "{line}",' for line in written(places)), "]"]
    file.write_text("\n".join([*lines, mark + rest]))


def places() -> Iterator[Sequence[Point]]:
    """All points that are declared, by their paths and programs."""
    points = declared()
    yield from (*points.paths.values(), *points.upkeep.values())


def elsewhere(file: Path = DECLARED) -> set[str]:
    """The statements that are passed on no path and in no loop."""
    reasons = tomllib.loads(file.read_text())["elsewhere"]
    return {name for names in reasons.values() for name in names}


def undeclared(calls: Iterable[str], file: Path = DECLARED) -> set[str]:
    """Those of the calls, each behind the name of its program, that are declared nowhere."""
    sections = tomllib.loads(file.read_text())
    known = {f"{point.program}: {point.call}" for points in places() for point in points}
    known.update(*sections["sometimes"].values())
    named = elsewhere(file)
    return {call for call in calls if call not in known and call.partition(": ")[2] not in named}


def singles(points: Declared, upkeep_paths: Mapping[str, str]) -> list[Trial]:
    """Each point with each fault that it may have."""
    return [
        *(
            Trial(path, (fault,))
            for path, places in points.paths.items()
            for point in places
            for fault in _faults(point)
        ),
        *(
            Trial(upkeep_paths[program], (fault,), upkeep=program)
            for program, places in points.upkeep.items()
            for point in places
            for fault in _faults(point)
        ),
    ]


def pairs(points: Declared, seed: int) -> list[Trial]:
    """Each pair of the points of a path at which something is changed or sent; the seed says by which faults.

    A point with itself strikes at two passages. What stands on several paths is paired on the first.
    """
    dice = random.Random(f"pairs {seed}")
    trials: list[Trial] = []
    known: set[tuple[Point, Point]] = set()
    for path, places in points.paths.items():
        writes = [point for point in places if not _READS.search(point.call)]
        for first, second in itertools.combinations_with_replacement(writes, 2):
            if first == second:
                second = Point(first.program, first.call, first.side, first.count + 1)
                if second in writes:
                    continue
            if (first, second) in known:
                continue
            known.add((first, second))
            kinds = (dice.choice(_KINDS[first.side]), dice.choice(_KINDS[second.side]))
            trials.append(Trial(path, (Fault(first, kinds[0]), Fault(second, kinds[1]))))
    return trials


def sliced(trials: Sequence[Trial], part: str, seed: int) -> list[Trial]:
    """A part of the trials, such as 3/12: by the seed, and in the order of their paths."""
    number, _, parts = part.partition("/")
    shuffled = list(trials)
    random.Random(f"slices {seed}").shuffle(shuffled)
    chosen = set(shuffled[int(number) - 1 :: int(parts)])
    return [trial for trial in trials if trial in chosen]


def written(points: Iterable[Point]) -> list[str]:
    """Points as they are declared: without a side if both are there."""
    points = list(dict.fromkeys(points))
    known, lines = set(points), []
    for point in points:
        other = Point(point.program, point.call, _SIDES[point.side == "before"], point.count)
        times = f" ({point.count})" if point.count > 1 else ""
        line = f"{point.program}: {point.call}{times}"
        line = line if other in known else f"{point.side} {line}"
        if line not in lines:
            lines.append(line)
    return lines


def _points(lines: Iterable[str]) -> Iterator[Point]:
    for line in lines:
        match = _WRITTEN.fullmatch(line)
        assert match, line
        side, program, call, count = match.groups()
        for place in (side,) if side else _SIDES:
            yield Point(program, call, place, int(count or 1))


def _faults(point: Point) -> Iterator[Fault]:
    return (Fault(point, kind) for kind in _KINDS[point.side])
