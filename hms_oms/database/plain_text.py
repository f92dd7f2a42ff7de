"""Text that PostgreSQL can keep."""

from __future__ import annotations


def plain(text: str) -> str:
    """The text without what PostgreSQL cannot keep: NUL characters and lone surrogates."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()
