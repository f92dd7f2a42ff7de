"""The table of transitions as a Mermaid diagram, for the documents."""

from __future__ import annotations

from hms_oms.jobs.states import TERMINAL, TRANSITIONS


def mermaid() -> str:
    """The life of a job as a Mermaid state diagram; parallel arrows are one, with all their facts."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (before, fact), after in TRANSITIONS.items():
        arrows.setdefault((before, after), []).append(fact)
    lines = ["stateDiagram-v2", "    [*] --> waiting: accepted"]
    lines += [f"    {before} --> {after}: {', '.join(facts)}" for (before, after), facts in arrows.items()]
    lines += [f"    {status} --> [*]" for status in sorted(TERMINAL)]
    return "\n".join(lines)
