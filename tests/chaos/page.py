"""The verdict as a page of the documents: what was tried, what came of it, and what was not tried."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.chaos.plan import SHARES

#: The size that is asked of a release.
FULL = {"jobs": 20_000, "faults": 200, "seeds": 3}
#: What each row of a storm is called, and where its number stands.
ROWS = (
    ("requests", "accepted"),
    ("executions of steps", "executions"),
    ("jobs lost", "lost"),
    ("results or effects recorded twice", "recordedTwice"),
    ("event logs that break the table of transitions", "brokenLives"),
    ("promises of events, parts, keys, schedules and webhooks broken", "brokenGuarantees"),
    ("texts to phones", "texts"),
    ("texts missing", "textsMissing"),
    ("texts that came twice and do not say so", "textsTwiceUnlabelled"),
    ("texts that came twice and say so", "textsRepeated"),
    ("executions above one", "executionsAboveOne"),
    ("... that no fault explains", "unattributed"),
    ("jobs taken back that no fault explains", "takenBackWithoutFault"),
    ("programs that ended by themselves", "diedByThemselves"),
)
#: What must be none in the trials of fail-points, and where its number stands.
POINTS = (
    ("lost", "lost"),
    ("recorded twice", "twice"),
    ("illegal steps", "illegal"),
    ("other ends", "other"),
    ("programs that ended by themselves", "died"),
    ("calls that are not declared", "undeclared"),
    ("trials whose point was not reached", "unreached"),
)
#: What no storm does.
NEVER = (
    "Hosts that fall silent, are cut off or lose packets, wrong clocks of single hosts: see `make drills`.",
    "A failover of PostgreSQL or Redis, and a loss of power with a torn write-ahead log: see `make drills`.",
    "More than one host, and disks that lie about what they have synced.",
    "A real provider and real phones: the texts go to a program that speaks the protocol of Twilio.",
)


def written(results: Mapping[str, Any]) -> str:
    """The page."""
    return "\n".join(_lines(results)) + "\n"


def _lines(results: Mapping[str, Any]) -> Iterator[str]:
    storms = [storm for storm in results["storms"] if storm]
    yield from (
        "# Verdict",
        "",
        "Written by `make chaos`, which tries to break what is [promised](how-it-works.md), of one run.",
        "",
        f"* Commit: `{results['commit']}`",
        f"* Date: {results['date']}",
        f"* Seeds: {', '.join(str(seed) for seed in results['asked']['seeds'])}",
        f"* Result: {_result(results)}",
        "",
    )
    yield from _storms(results, storms)
    yield from _model(results["model"])
    if results["points"]:
        yield from _points(results["points"])
    yield from _texts(results["texts"])
    yield from _requests(results)
    yield from ("## What was not tried", "")
    if not results["points"]:
        yield "* Fail-points: see `make failpoints`."
    yield from (f"* {sentence}" for sentence in _untried(results["asked"], storms))


def _result(results: Mapping[str, Any]) -> str:
    if any(code not in (0, 2) for code in results["codes"]):
        return "**a promise was broken**"
    late = ", **and a recovery took too long**" if 2 in results["codes"] else ""
    return f"every promise was kept{late}"


def _storms(results: Mapping[str, Any], storms: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    asked = results["asked"]
    about = (
        f"{asked['jobs']:,} requests while {asked['faults']} faults strike real processes, servers, disk,"
        " clock and provider, up to four at once; half of them in the way of a text to its phone. Then every"
        " job and every text is looked at."
    )
    yield from ("## The storm", "", about, "")
    unfinished = len(results["storms"]) - len(storms)
    if unfinished:
        yield from (f"**{unfinished} storms came to no end.**", "")
    if not storms:
        return
    seeds = [f"seed {storm['seed']}" for storm in storms]
    yield from _head(["", *seeds])
    for name, key in ROWS:
        yield _row([name, *(f"{storm[key]:,}" for storm in storms)])
    pages = [_spread(storm["pageSeconds"]) for storm in storms]
    yield _row(["seconds of a page to its phone, median and 99 of 100", *pages])
    yield _row(["seconds in all", *(f"{storm['seconds']:,.0f}" for storm in storms)])
    about = (
        "How many seconds until a job was taken back, or another process led: median and 99 of 100; behind a"
        " semicolon where ledger, Redis or dispatcher were away meanwhile, from when they were back. The bar"
        " is 10 s, for a child of a pool 5 s."
    )
    yield from ("", about, "", *_head(["fault", "how many", *seeds]))
    numbers = Counter[str]()
    for storm in storms:
        numbers.update(storm["faults"])
    for kind in SHARES:
        if numbers[kind]:
            yield _row([kind, str(numbers[kind]), *(_both(storm, kind) for storm in storms)])
    missed = sorted({kind for storm in storms for kind in storm["barsMissed"]})
    yield from ("", f"Bars missed: {', '.join(missed) or 'none'}.", "")


def _head(cells: Sequence[str]) -> Iterator[str]:
    yield _row(cells)
    yield _row(["---", *["--:"] * (len(cells) - 1)])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _both(storm: Mapping[str, Any], kind: str) -> str:
    """Recovery after a fault alone, and through others."""
    spreads = [storm[name].get(kind) for name in ("recovery", "recoveryThroughOutages")]
    if not any(spreads):
        return ""
    return "; ".join(_spread(spread) if spread else "-" for spread in spreads)


def _spread(spread: Mapping[str, float]) -> str:
    return f"{spread['p50']:.1f} and {spread['p99']:.1f}"


def _model(model: Mapping[str, Any]) -> Iterator[str]:
    about = "All that can happen to one job, with two faults and one person who intervenes."
    yield from ("## The model", "", about, "")
    for job in model["jobs"]:
        yield f"* Steps by {job['steps']}: {job['states']} states, {job['actions']} actions: {job['result']}."
    unnoticed = ", ".join(model["unnoticed"]) or "none"
    yield f"* {model['guards']} guards taken out one by one; nothing is broken without: {unnoticed}."
    yield ""


def _points(points: Mapping[str, Any]) -> Iterator[str]:
    about = (
        "Each statement and each call of the programs is struck, once and in pairs: the program killed before"
        " it or after it, the connection reset, the answer lost or late. This is what the slices of"
        " `make failpoints` had come to by then."
    )
    yield from ("## Fail-points", "", about, "")
    tried = " and ".join(
        f"{points[kind]:,} of {points[f'{kind}Of']:,} {kind}" for kind in ("singles", "pairs")
    )
    yield from (
        f"* {points['points']:,} points: {tried}, in {points['seconds'] / 60:,.0f} minutes.",
        f"* {'; '.join(_counted(words, points[name]) for words, name in POINTS)}.",
        f"* Date: {', '.join(points['dates'])}",
        f"* Commits: {', '.join(f'`{commit}`' for commit in points['commits'])}",
        "",
    )


def _counted(words: str, number: int) -> str:
    return f"**{words}: {number}**" if number else f"{words}: 0"


def _texts(texts: Mapping[str, Any] | None) -> Iterator[str]:
    yield from ("## Texts", "")
    if texts is None:
        yield from ("**It came to no end.**", "")
        return
    counts = ", ".join(f"{number} for {runs} pages" for number, runs in texts["texts"].items())
    yield from (
        f"{texts['runs']} pages, each through a weather of its own, in {texts['posts']} requests.",
        "",
        f"* Texts on a handset, of which a second one says that it is one: {counts}.",
        f"* Seeds that went wrong: {', '.join(map(str, texts['wrong'])) or 'none'}.",
        "",
    )


def _requests(results: Mapping[str, Any]) -> Iterator[str]:
    stories, fuzz = results["stories"], results["fuzz"]
    failed = stories.get("failed", 0) + stories.get("error", 0)
    faults = "no fault" if fuzz["faults"] == 0 else f"{fuzz['faults']} faults"
    cases = f"{fuzz['cases']} cases in {results['asked']['fuzz']} s"
    yield from (
        "## Stories and made-up requests",
        "",
        f"* Stories of jobs, incidents and schedules: {stories.get('passed', 0)} passed, {failed} failed.",
        f"* Requests made up from the API's document: {cases}, {faults} of the server.",
        "",
    )


def _untried(asked: Mapping[str, Any], storms: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    size = {"jobs": asked["jobs"], "faults": asked["faults"], "seeds": len(asked["seeds"])}
    if any(size[name] < full for name, full in FULL.items()):
        yield f"The full size, {_size(FULL)}: this was {_size(size)}."
    missing = [kind for kind in SHARES if not any(storm["faults"].get(kind) for storm in storms)]
    if missing:
        yield f"Faults that no seed had, or that its machine does not permit: {', '.join(missing)}."
    yield from NEVER


def _size(size: Mapping[str, int]) -> str:
    return f"{size['jobs']:,} requests, {size['faults']} faults, {size['seeds']} seeds"
