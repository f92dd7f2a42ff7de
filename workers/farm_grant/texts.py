"""Texts to applicants: one GSM-7 segment, in plain words, without the applicant's name."""

from __future__ import annotations

from collections.abc import Sequence

from hms_oms.messages.gsm7 import ONE_SEGMENT, encodable, septets

#: By code: the reason in full, and the same in the few words that fit when all of them hold.
REASONS = {
    "phone": ("the phone number is not a valid US number", "phone not valid"),
    "county": ("the county code is not a US county", "county code unknown"),
    "crop": ("the crop is not one we fund", "crop not funded"),
    "acres": ("acres must be above 0, at most 50,000", "acres out of range"),
    "amount": ("the amount must be above $0, at most $500 per acre and $250,000", "amount out of range"),
    "date": ("the date is in the future", "date in the future"),
}

VERDICTS = {
    "granted": "your appeal was granted. An inspector will be assigned.",
    "denied": "your appeal was reviewed and denied.",
    "dismissed": "your appeal was not reviewed: this application has not been rejected.",
}


def assigned(application: int, inspector: str) -> str:
    """The text that names the inspector who will come."""
    opening, closing = f"Farm grant {application}: accepted. ", " will visit your farm."
    room = ONE_SEGMENT - septets(opening) - septets(closing)
    name = encodable(inspector, room - len("Inspector ")).strip()
    return f"{opening}{f'Inspector {name}' if name else 'An inspector'}{closing}"


def appealed(application: int, verdict: str) -> str:
    """What came of an appeal: granted, denied or dismissed."""
    return f"Farm grant {application}: {VERDICTS[verdict]}"


def rejected(application: int, codes: Sequence[str]) -> str:
    """The text that gives every reason: in full where that fits, else in few words."""
    full, short = (
        f"Farm grant {application}: rejected: {'; '.join(REASONS[code][length] for code in codes)}."
        for length in (0, 1)
    )
    return full if septets(full) <= ONE_SEGMENT else short
