"""The report of a cycle, as a person reads it."""

from __future__ import annotations

from datetime import datetime, timedelta

from rich.console import RenderableType
from rich.text import Text

from hms_floor.cli.terminal import show, tables
from hms_floor.presentation import text_counts
from hms_oms.documents.cycles import CycleReport, TextCounts
from hms_oms.jobs.on_time import Counts, counts_of
from hms_oms.runtime import format


def report(found: CycleReport, now: datetime) -> list[RenderableType]:
    """What came of a cycle: outcomes, reasons, and whether it was in time."""
    parts: list[RenderableType] = [_heading(found), tables.facts(_facts(found, now))]
    ended = _ends(found)
    if ended:
        whole = found.progress.open + found.progress.ended + found.lost
        outcomes = [
            (show.status(word), show.count(number), show.share(number, whole)) for word, number in ended
        ]
        parts += ["", tables.table(["outcome", "jobs", "share"], outcomes, right=["jobs", "share"])]
    if found.reasons:
        rejected = found.outcomes.get("rejected", found.progress.done)
        reasons = [
            (show.plain(reason), show.count(number), show.share(number, rejected))
            for reason, number in found.reasons.items()
        ]
        headers = ["reason", "jobs", "of the rejected"]
        parts += ["", tables.table(headers, reasons, right=headers[1:])]
    if found.total_seconds:
        spans = [
            ("wait", *_spans(found.wait_seconds), "accepted until its first step began"),
            ("total", *_spans(found.total_seconds), "accepted until it ended"),
        ]
        parts += ["", tables.table(["time of a job", "p50", "p95", ""], spans, right=["p50", "p95"])]
    return [*parts, *_remarks(found)]


def _heading(found: CycleReport) -> Text:
    return Text.assemble((f"Cycle {found.id}", "bold"), "  ", show.plain(found.name), "  ", found.type)


def _facts(found: CycleReport, now: datetime) -> list[tuple[str, str | Text]]:
    progress = found.progress
    rows = found.accepted + found.duplicates + found.refused
    plural = "duplicate" if found.duplicates == 1 else "duplicates"
    intake = f"{found.accepted:,} accepted, {found.duplicates:,} {plural}, {found.refused:,} refused"
    took = show.span(found.elapsed)
    pace = f" ({found.jobs_per_second:,.0f} jobs/s)" if progress.ended else ""
    facts: list[tuple[str, str | Text]] = [
        ("begun", f"{show.moment(found.created_at, now)} by {found.requested_by}"),
        ("rows", f"{rows:,}: {intake}"),
        ("took", f"{took}{' so far' if progress.open else ''}{pace}"),
    ]
    if found.sla_minutes_range:
        facts.append(("SLA", " to ".join(map(show.minutes, dict.fromkeys(found.sla_minutes_range)))))
    promises = counts_of(found.report)
    if promises.due:
        facts.append(("on time", _on_time(promises)))
    facts.append(("texts", _texts(found.texts_by_state)))
    return facts


def _on_time(promises: Counts) -> Text:
    shares = f"{format.percent(promises.share_of_due)} of those due"
    if promises.open_late and promises.ended:
        shares += f", {format.percent(promises.share_of_ended)} of those that ended"
    counts = [(promises.late, " late"), (promises.failed, " failed"), (promises.open_late, " open and late")]
    parts = [
        part
        for number, word in counts
        if number or word == " late"
        for part in (", ", show.count(number, show.STYLES["late"]), word)
    ]
    return Text.assemble(f"{shares}  ({promises.on_time:,} on time", *parts, ")")


def _texts(texts: TextCounts) -> Text:
    told = f" ({text_counts.words(texts)})" if texts.written > texts.handed_over else ""
    return Text(f"{texts.written:,}{told}", show.STYLES["failed"] if texts.failed else "")


def _ends(found: CycleReport) -> list[tuple[str, int]]:
    progress = found.progress
    others = progress.done - sum(found.outcomes.values())
    ends = [*found.outcomes.items(), ("done", others), ("failed", progress.failed)]
    ends += [("cancelled", progress.cancelled), ("open", progress.open), ("lost", found.lost)]
    return [(word, number) for word, number in ends if number]


def _spans(pair: tuple[float, float] | None) -> tuple[str, str]:
    if pair is None:
        return "", ""
    return show.span(timedelta(seconds=pair[0])), show.span(timedelta(seconds=pair[1]))


def _remarks(found: CycleReport) -> list[Text]:
    """What a reader must not overlook, and what to do about it."""
    remarks = []
    if found.closed_at is None:
        remarks.append(
            "The file has not been read to its end. If nobody is reading it any more, run it again:"
            " what was accepted already is known by its key."
        )
    if found.refused:
        remarks.append(f"The refused rows: hms cycle refused {found.id}")
    if found.differing:
        rows = "1 row differs" if found.differing == 1 else f"{found.differing:,} rows differ"
        remarks.append(f"{rows} from the job with the same key: hms cycle duplicates {found.id} --differing")
    if found.progress.failed:
        remarks.append(f"The failed ones: hms job list --batch {found.id} --status failed")
    if found.progress.open:
        remarks.append(f"The open ones: hms job list --batch {found.id} --status open")
    if found.lost:
        remarks.append("Jobs that were accepted are gone from the ledger: somebody has deleted rows.")
    return [Text(f"\n{remark}", style="yellow") for remark in remarks]
