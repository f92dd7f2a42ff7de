"""URLs for the eye: where a server is, never the password that opens it."""

from __future__ import annotations

from urllib.parse import parse_qsl, quote, urlsplit

_SECRET = ("password", "passwd", "secret", "token")
MASK = "***"


def masked(url: str) -> str:
    """The URL with every password in it made unreadable, however oddly it is written."""
    try:
        parts = urlsplit(url)
        words = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return f"{url.partition(':')[0]}://{MASK}"
    # The last @ ends the user's part: a password may hold one that is not quoted.
    user, sign, place = parts.netloc.rpartition("@")
    if ":" in user:
        user = f"{user.partition(':')[0]}:{MASK}"
    query = "&".join(
        f"{name}={MASK if any(word in name.lower() for word in _SECRET) else quote(value, safe='/:,')}"
        for name, value in words
    )
    if "@" in parts.path or "@" in parts.fragment or "@" in query:
        # A password with a / or ? or # in it has spilt over its borders.
        return f"{parts.scheme}://{MASK}"
    return f"{parts.scheme}://{user}{sign}{place}{parts.path}{'?' if query else ''}{query}"
