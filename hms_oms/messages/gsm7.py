"""GSM-7, the alphabet of texts: what fits into one segment, and how the rest is spelled in it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from gsm0338 import Codec

#: A single text holds this many septets; with one more the network sends and bills two.
ONE_SEGMENT = 160

_CODEC = Codec()

# Letters that do not fall apart into a base letter and its marks.
_PLAIN = str.maketrans(
    {
        "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "ı": "i", "œ": "oe",
        "Œ": "OE", "ħ": "h", "Ħ": "H", "ŋ": "ng", "Ŋ": "Ng", "‘": "'", "’": "'", "ʻ": "'", "ʼ": "'", "`": "'",
        "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‐": "-", "‑": "-", "–": "-", "—": "-",
    }
)  # fmt: skip


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
