"""Words for counts of texts to applicants."""

from __future__ import annotations

from hms_oms.documents.cycles import TextCounts


def words(texts: TextCounts) -> str:
    """What became of the texts, as `7 handed over, 2 not handed over yet`; empty if there is none."""
    counts = (
        (texts.handed_over, "handed over"),
        (texts.logged, "only logged"),
        (texts.waiting, "not handed over yet"),
        (texts.failed, "failed"),
        (texts.withdrawn, "withdrawn"),
    )
    return ", ".join(f"{number:,} {what}" for number, what in counts if number)
