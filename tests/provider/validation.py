"""What the provider asks of a request to send, and how it says no."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from tests.provider import NUMBER

ERRORS = {
    20001: "Unknown parameter",
    20003: "Authenticate",
    20404: "The requested resource was not found",
    20429: "Too Many Requests",
    20500: "An internal server error has occurred",
    20503: "Service unavailable, please try again",
    21211: "Invalid 'To' Phone Number",
    21212: "Invalid 'From' Number",
    21408: "Permission to send an SMS has not been enabled for the region indicated by the 'To' number",
    21602: "A text message body or media urls must be specified.",
    21603: "A 'From' or 'MessagingServiceSid' parameter is required",
    21604: "A 'To' phone number is required",
    21606: "The 'From' number is not a valid, SMS-capable number of this account",
    21608: "The number is unverified: trial accounts cannot send messages to unverified numbers",
    21609: "The 'StatusCallback' URL is not a valid URL",
    21610: "Attempt to send to unsubscribed recipient",
    21611: "This 'From' number has exceeded the maximum number of queued messages",
    21612: "The 'To' number is not currently reachable using the 'From' number",
    21614: "'To' number is not a valid mobile number",
    21617: "The concatenated message body exceeds the 1600 character limit",
    21624: "Invalid validity period value",
}
#: All that a request to send may name.
# fmt: off
PARAMETERS = frozenset((
    "To", "From", "MessagingServiceSid", "Body", "StatusCallback", "ValidityPeriod", "Attempt",
    "SmartEncoded", "MaxPrice", "RiskCheck", "MessageIntent", "ScheduleType", "SendAt",
    "ApplicationSid", "ProvideFeedback", "ContentRetention", "AddressRetention", "ContentSid",
    "ContentVariables", "MediaUrl", "SendAsMms", "ShortenUrls", "TrafficType", "FallbackFrom",
    "PersistentAction", "ForceDelivery",
))
# fmt: on
#: All that a list may be asked for.
FILTERS = frozenset(("To", "From", "DateSent", "DateSent<", "DateSent>", "PageSize", "Page", "PageToken"))
#: Numbers of the provider's test credentials.
_MAGIC_TO = {
    "+15005550001": 21211,
    "+15005550002": 21612,
    "+15005550003": 21408,
    "+15005550004": 21610,
    "+15005550009": 21614,
}
_MAGIC_FROM = {"+15005550001": 21212, "+15005550007": 21606, "+15005550008": 21611}
_E164 = re.compile(r"\+[1-9]\d{6,14}")
_SERVICE = re.compile(r"MG[0-9a-f]{32}")
_LONGEST = 1600
_LONGEST_WAIT = 36_000


@dataclass(frozen=True, slots=True)
class Refusal:
    """A no: the HTTP status and the provider's own code."""

    status: int
    code: int
    about: str = ""

    def document(self) -> dict[str, object]:
        """The body of the answer."""
        said = ERRORS.get(self.code, "The request was refused")
        return {
            "code": self.code,
            "message": f"{said}: {self.about}" if self.about else said,
            "more_info": f"https://www.twilio.com/docs/errors/{self.code}",
            "status": self.status,
        }


def fault_of(form: Mapping[str, str], opted_out: frozenset[str]) -> Refusal | None:
    """Why a request to send is refused; None if it is not."""
    code, about = _fault(form)
    if code is None and form["To"] in opted_out:
        code = 21610
    return None if code is None else Refusal(400, code, about)


def _fault(form: Mapping[str, str]) -> tuple[int | None, str]:
    to, sender, body = form.get("To", ""), form.get("From", ""), form.get("Body", "")
    service, callback = form.get("MessagingServiceSid", ""), form.get("StatusCallback")
    wait = form.get("ValidityPeriod", "1")
    checks = (
        (20001, next((name for name in sorted(form) if name not in PARAMETERS), "")),
        (21604, "" if to else "To is missing"),
        (21211, "" if _E164.fullmatch(to) else to),
        (21603, "" if sender or service else "both are missing"),
        (21212, "" if not sender or _E164.fullmatch(sender) else sender),
        (21606, "" if not service or _SERVICE.fullmatch(service) else service),
        (_MAGIC_TO.get(to, 0), to if to in _MAGIC_TO else ""),
        (_MAGIC_FROM.get(sender, 0), sender if sender in _MAGIC_FROM else ""),
        (21606, "" if not sender or sender == NUMBER else sender),
        (21602, "" if body.strip() else "the body is empty"),
        (21617, "" if len(body) <= _LONGEST else f"{len(body)} characters"),
        (21609, "" if callback is None or _is_address(callback) else callback),
        (21624, "" if wait.isdecimal() and 1 <= int(wait) <= _LONGEST_WAIT else wait),
    )
    return next(((code, about) for code, about in checks if about), (None, ""))


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(host) and "_" not in (host or "")
