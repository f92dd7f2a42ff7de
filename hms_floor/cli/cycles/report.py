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


def report(cycle: CycleReport, now: datetime) -> list[RenderableType]:
    """Report of a cycle: outcomes, reasons, and deadlines met."""
    parts: list[RenderableType] = [_heading(cycle), tables.facts(_facts(cycle, now))]
    ended = _ends(cycle)
    if ended:
        whole = cycle.progress.open + cycle.progress.ended + cycle.lost
        outcomes = [
            (show.status(word), show.count(number), show.share(number, whole)) for word, number in ended
        ]
        parts += ["", tables.table(["outcome", "jobs", "share"], outcomes, right=["jobs", "share"])]
    if cycle.reasons:
        rejected = cycle.outcomes.get("rejected", cycle.progress.done)
        reasons = [
            (show.plain(reason), show.count(number), show.share(number, rejected))
            for reason, number in cycle.reasons.items()
        ]
        headers = ["reason", "jobs", "of the rejected"]
        parts += ["", tables.table(headers, reasons, right=headers[1:])]
    if cycle.total_seconds:
        spans = [
            ("wait", *_spans(cycle.wait_seconds), "accepted until its first step began"),
            ("total", *_spans(cycle.total_seconds), "accepted until it ended"),
        ]
        parts += ["", tables.table(["time of a job", "p50", "p95", ""], spans, right=["p50", "p95"])]
    return [*parts, *_remarks(cycle)]


def _heading(report: CycleReport) -> Text:
    return Text.assemble((f"Cycle {report.id}", "bold"), "  ", show.plain(report.name), "  ", report.type)


def _facts(report: CycleReport, now: datetime) -> list[tuple[str, str | Text]]:
    progress = report.progress
    rows = report.accepted + report.duplicates + report.refused
    plural = "duplicate" if report.duplicates == 1 else "duplicates"
    intake = f"{report.accepted:,} accepted, {report.duplicates:,} {plural}, {report.refused:,} refused"
    took = show.span(report.elapsed)
    throughput = f" ({60 * report.jobs_per_second:,.0f} jobs/min)" if progress.ended else ""
    facts: list[tuple[str, str | Text]] = [
        ("begun", f"{show.moment(report.created_at, now)} by {report.requested_by}"),
        ("rows", f"{rows:,}: {intake}"),
        ("took", f"{took}{' so far' if progress.open else ''}{throughput}"),
    ]
    if report.sla_minutes_range:
        facts.append(("SLA", " to ".join(map(show.minutes, dict.fromkeys(report.sla_minutes_range)))))
    deadlines = counts_of(report.report)
    if deadlines.due:
        facts.append(("on time", _on_time(deadlines)))
    facts.append(("texts", _texts(report.texts_by_state)))
    return facts


def _on_time(deadlines: Counts) -> Text:
    shares = f"{format.percent(deadlines.share_of_due)} of those due"
    if deadlines.open_late and deadlines.ended:
        shares += f", {format.percent(deadlines.share_of_ended)} of those that ended"
    counts = [
        (deadlines.late, " late"),
        (deadlines.failed, " failed"),
        (deadlines.open_late, " open and late"),
    ]
    parts = [
        part
        for number, word in counts
        if number or word == " late"
        for part in (", ", show.count(number, show.STYLES["late"]), word)
    ]
    return Text.assemble(f"{shares}  ({deadlines.on_time:,} on time", *parts, ")")


def _texts(texts: TextCounts) -> Text:
    note = f" ({text_counts.words(texts)})" if texts.written > texts.handed_over else ""
    return Text(f"{texts.written:,}{note}", show.STYLES["failed"] if texts.failed else "")


def _ends(report: CycleReport) -> list[tuple[str, int]]:
    progress = report.progress
    others = progress.done - sum(report.outcomes.values())
    ends = [*report.outcomes.items(), ("done", others), ("failed", progress.failed)]
    ends += [("cancelled", progress.cancelled), ("open", progress.open), ("lost", report.lost)]
    # What the job type declares is told as soon as anything has ended, also of no job.
    declared = report.outcomes if progress.ended else ()
    return [(word, number) for word, number in ends if number or word in declared]


def _spans(pair: tuple[float, float] | None) -> tuple[str, str]:
    if pair is None:
        return "", ""
    return show.span(timedelta(seconds=pair[0])), show.span(timedelta(seconds=pair[1]))


def _remarks(report: CycleReport) -> list[Text]:
    """Warnings about a cycle, with what to do."""
    remarks = []
    if report.closed_at is None:
        remarks.append(
            "The file has not been read to its end. If nobody is reading it any more, run it again:"
            " what was accepted already is known by its key."
        )
    if report.refused:
        remarks.append(f"The refused rows: hms cycle refused {report.id}")
    if report.differing:
        rows = "1 row differs" if report.differing == 1 else f"{report.differing:,} rows differ"
        remarks.append(f"{rows} from the job with the same key: hms cycle duplicates {report.id} --differing")
    if report.progress.failed:
        remarks.append(f"The failed ones: hms job list --batch {report.id} --status failed")
    if report.progress.open:
        remarks.append(f"The open ones: hms job list --batch {report.id} --status open")
    if report.lost:
        remarks.append("Jobs that were accepted are gone from the ledger: somebody has deleted rows.")
    return [Text(f"\n{remark}", style="yellow") for remark in remarks]
