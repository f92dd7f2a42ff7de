"""Numbers that regulators keep for films and examples: a text to one of them reaches nobody."""

from __future__ import annotations

import re

#: Of the USA, Canada and the other countries under +1; of the United Kingdom; of Australia.
_KEPT_FOR_FICTION = re.compile(
    r"\+1\d{3}55501\d\d"
    r"|\+44(?:7700900|2079460|1632960|(?:113|114|115|116|117|118|121|131|141|151|161|191)4960)\d{3}"
    r"|\+61(?:491570\d{3}|[2378]5550\d{4}|[2378]7010\d{4})"
)


def is_fictitious(phone: str) -> bool:
    """Whether a phone in E.164 belongs to nobody, as +12025550100 does."""
    return _KEPT_FOR_FICTION.fullmatch(phone) is not None
