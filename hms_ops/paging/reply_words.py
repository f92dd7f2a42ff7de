"""Read the intent of a reply: acknowledge an incident, close it, or something that must be asked back.

People at night do not write to a machine: the verb and the reference may stand anywhere, run together, with
words around them and a signature below. What may mean the opposite is never acted on, but asked back: a
negation, a question, two references, two verbs, a reference that only looks like one, a reaction to a page.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Verb = Literal["ack", "close"]

#: References that fit an answer of one text.
MOST_LISTED = 12


@dataclass(frozen=True, slots=True)
class Act:
    """Take on or close the incidents with these references."""

    verb: Verb
    references: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """Question to send back if a reply is ambiguous."""

    answer: str


@dataclass(frozen=True, slots=True)
class Nothing:
    """The text says nothing about incidents."""


_ACK = {"ack", "acks", "acked", "acking", "acknowledge", "acknowledged", "acknowledging", "aknowledge"}
_CLOSE = {"close", "closed", "closing", "resolve", "resolved", "resolving"}
_RUN_TOGETHER = {verb: ("ack" if verb in _ACK else "close") for verb in (*_ACK, *_CLOSE)} | {"ok": "ack"}
#: Words that are a verb where they begin or end a text, and that mean many other things within it.
_AT_THE_EDGE = {"ok": "ack", "okay": "ack", "roger": "ack"}
#: Letters that are a verb alone or with a reference.
_LETTERS = {"a": "ack", "c": "close"}
_OPENINGS = re.compile(r"^(?:i'?m |i am )?(?:on it|taking it|taking this)\b")
#: Words that say no, that it was not done, or that somebody asks: then nothing is done.
_DOUBT = {
    *(
        "not",
        "no",
        "nope",
        "nah",
        "never",
        "none",
        "nobody",
        "nothing",
        "neither",
        "nor",
        "without",
        "refuse",
    ),
    *(
        "cannot",
        "unable",
        "stop",
        "wait",
        "un",
        "unack",
        "undo",
        "except",
        "but",
        "instead",
        "wrong",
        "later",
    ),
    *(
        "until",
        "unless",
        "if",
        "almost",
        "forgot",
        "someone",
        "somebody",
        "anyone",
        "anybody",
        "else",
        "dont",
    ),
    *(
        "cant",
        "wont",
        "didnt",
        "doesnt",
        "isnt",
        "wasnt",
        "shouldnt",
        "couldnt",
        "wouldnt",
        "havent",
        "hasnt",
    ),
    *("aint", "arent", "hadnt", "werent", "neednt", "mustnt", "hold", "cancel", "ignore", "decline", "skip"),
    *("non", "nein", "nicht", "nie", "nunca", "pas", "ne", "fail", "failed", "stopped", "avoid", "refusing"),
}
_ASKING = {"who", "did", "can", "could", "should", "has", "have", "is", "was", "when", "why", "what", "how"}
#: Words with a "no" in them that deny nothing.
_HARMLESS = re.compile(
    r"\b(?:no (?:problems?|prob|worries|idea|clue|eta|rush)|not (?:sure|certain) why|can'?t talk(?: now)?)\b"
)
_REACTION = re.compile(
    r"^\W*(?:liked|loved|disliked|laughed at|emphasi[sz]ed|questioned|reacted\b.{0,40}\bto"
    r"|removed\b.{0,40}\bfrom|\S{1,12}\s+to)"
    r"\s+(?:[\"\u201c\u201d\u201e\u00ab']|an? (?:image|photo|message)\b)",
    re.IGNORECASE | re.DOTALL,
)
_SIGNATURE = re.compile(
    r"^\s*(?:--+|__+|\u2014|>.*|sent from .*|get outlook .*|on .* wrote:)\s*$", re.IGNORECASE | re.MULTILINE
)
_WORD = re.compile(r"[a-z0-9']+")
_SHAPE = re.compile(r"[a-z][0-9][a-z0-9]?|x[0-9]+")
#: Signs that are taken for each other; references have only digits and letters that are not.
_LOOKS = str.maketrans("oilsbz", "011582")
#: Words that would be a reference if they were read so.
_WORDS = {"as", "us", "is", "so", "do", "to", "go", "no", "hi", "has", "its", "was"}


def read(text: str, references: Sequence[str]) -> Act | Question | Nothing:
    """Interpret a reply of a person with these open references."""
    text = unicodedata.normalize("NFKC", text).replace("\u2019", "'")
    if _REACTION.match(text):
        return Question(f"HMS: a reaction takes nothing on. {_how(references)}")
    said = _HARMLESS.sub(" ", _without_signature(text).lower())
    words = list(_split(_WORD.findall(said), references))
    verbs = _verbs(said, words, references)
    if not verbs:
        return Nothing()
    if len(verbs) > 1:
        return Question(f"HMS: ACK or CLOSE? Nothing was done. {_how(references)}")
    if _doubtful(said, words):
        return Question(f"HMS: not sure, so nothing was done. {_how(references)}")
    [verb] = verbs
    return _about(verb, words, references)


def listed(references: Sequence[str]) -> str:
    """References as people read them, as many as fit."""
    names = ", ".join(f"#{reference}" for reference in references[:MOST_LISTED])
    more = len(references) - MOST_LISTED
    return f"{names} and {more} more" if more > 0 else names


def _without_signature(text: str) -> str:
    cut = _SIGNATURE.search(text)
    return text[: cut.start()] if cut and text[: cut.start()].strip() else text


def _split(words: Sequence[str], references: Sequence[str]) -> Iterator[str]:
    """The words, with a verb and a reference that were run together taken apart."""
    known = {reference.lower() for reference in references}
    for word in words:
        for verb in sorted(_RUN_TOGETHER, key=len, reverse=True):
            rest = word.removeprefix(verb) if word.startswith(verb) else word.removesuffix(verb)
            if rest != word and (rest in known or _SHAPE.fullmatch(rest)):
                yield from (_RUN_TOGETHER[verb], rest)
                break
        else:
            yield word


def _verbs(said: str, words: Sequence[str], references: Sequence[str]) -> set[Verb]:
    verbs: set[Verb] = set()
    if _ACK.intersection(words) or _OPENINGS.match(said.strip()):
        verbs.add("ack")
    if _CLOSE.intersection(words):
        verbs.add("close")
    edges = [words[0], words[-1]] if words else []
    if not verbs and "ack" in map(_AT_THE_EDGE.get, edges):
        verbs.add("ack")
    known = {reference.lower() for reference in references}
    others = [word for word in words if word not in _LETTERS]
    if not verbs and len(words) - len(others) == 1 and all(_names(word, known) for word in others):
        [letter] = set(words).intersection(_LETTERS)
        verbs.add("ack" if letter == "a" else "close")
    return verbs


def _names(word: str, known: set[str]) -> bool:
    return word in known or word == "all" or bool(_SHAPE.fullmatch(word))


def _doubtful(said: str, words: Sequence[str]) -> bool:
    denied = any(word in _DOUBT or word.replace("'", "") in _DOUBT or word.endswith("n't") for word in words)
    return denied or "?" in said or words[0] in _ASKING


def _about(verb: Verb, words: Sequence[str], references: Sequence[str]) -> Act | Question:
    known = {reference.lower(): reference for reference in references}
    named = list(dict.fromkeys(word for word in words if word in known))
    if _all(words):
        if named or verb == "close":
            return Question(f"HMS: all of them? Nothing was done. {_how(references)}")
        return Act(verb, tuple(references))
    # The one that is meant may be over, or this phone was never told of it.
    looks = {key.translate(_LOOKS) for key in known}
    others = [
        word
        for word in words
        if word not in known
        and (_SHAPE.fullmatch(word) or (word.translate(_LOOKS) in looks and word not in _WORDS))
    ]
    if len(named) > 1 or (named and others):
        return Question(f"HMS: which one? Nothing was done. {_how(references)}")
    if named:
        return Act(verb, (known[named[0]],))
    if others:
        return Question(_unknown(others[0], known))
    if not references:
        return Question("HMS: none of your incidents is open.")
    if len(references) > 1:
        return Question(f"HMS: which one? {listed(references)}.")
    if verb == "close" and len(words) > 3:
        # Many other things are closed; what is taken on in error, people notice.
        return Question(f"HMS: close #{references[0]}? Reply CLOSE {references[0]}.")
    return Act(verb, tuple(references))


def _all(words: Sequence[str]) -> bool:
    plain = " ".join(words)
    return bool(
        re.search(r"\b(?:ack|acknowledge|close|resolve|ok|a|c)(?: them)? (?:all|both|everything)\b", plain)
    ) or (plain in ("all ack", "all ok"))


def _unknown(word: str, known: dict[str, str]) -> str:
    alike = [name for key, name in known.items() if key.translate(_LOOKS) == word.translate(_LOOKS)]
    if alike:
        return f"HMS: #{word.upper()} is none. Did you mean {listed(alike)}? Reply ACK {alike[0]}."
    mine = f" Open: {listed(list(known.values()))}." if known else ""
    return f"HMS: #{word.upper()} is not an open incident of yours.{mine}"


def _how(references: Sequence[str]) -> str:
    """Instructions for a reply, with one of this person's references."""
    if not references:
        return "None of your incidents is open."
    if len(references) == 1:
        return f"Reply ACK {references[0]} to take it on."
    return f"Reply ACK {references[0]} or ACK ALL. Open: {listed(references)}."
