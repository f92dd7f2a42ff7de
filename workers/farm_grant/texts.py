"""What an applicant reads: one text of one GSM-7 segment, in plain words, without the applicant's name."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from gsm0338 import Codec

#: A single text holds this many septets; with one more the network sends and bills two.
ONE_SEGMENT = 160

_CODEC = Codec()

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

# Letters that do not fall apart into a base letter and its marks.
_PLAIN = str.maketrans(
    {
        "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ı": "i", "œ": "oe",
        "Œ": "OE", "ħ": "h", "Ħ": "H", "ŋ": "ng", "Ŋ": "Ng", "‘": "'", "’": "'", "ʻ": "'", "ʼ": "'", "`": "'",
        "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‐": "-", "‑": "-", "–": "-", "—": "-",
    }
)  # fmt: skip


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


def septets(text: str) -> int:
    """How much of a segment the text takes up. Raises UnicodeEncodeError where GSM-7 cannot spell it."""
    return len(_CODEC.encode(text)[0])


def encodable(text: str, most: int = ONE_SEGMENT) -> str:
    """The text in one line of GSM-7 letters, cut at `most` septets.

    What GSM-7 lacks loses its marks (Noé stays, Zoë becomes Zoe) or is left out.
    """
    kept = ""
    room = most
    for letter in _spelled(" ".join(unicodedata.normalize("NFC", text).split())):
        room -= septets(letter)
        if room < 0:
            break
        kept += letter
    return kept


def _spelled(text: str) -> Iterable[str]:
    for letter in text:
        if _in_gsm(letter):
            yield letter
        else:
            plain = unicodedata.normalize("NFKD", letter.translate(_PLAIN))
            yield from filter(_in_gsm, plain)


def _in_gsm(letter: str) -> bool:
    if not letter.isprintable():
        return False
    try:
        return bool(_CODEC.encode(letter)[0])
    except UnicodeEncodeError:
        return False
