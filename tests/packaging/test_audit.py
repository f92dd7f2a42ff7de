"""What could not be looked up is no good news, and the tools of the audit are pinned."""

from __future__ import annotations

import configparser
import re
from typing import Any

import pytest

from tests.packaging import audit

GOOD: dict[str, Any] = {"name": "good", "version": "1", "vulns": []}
BAD: dict[str, Any] = {**GOOD, "name": "bad", "vulns": [{"id": "CVE-1", "fix_versions": ["2", "3"]}]}
SKIPPED = {"name": "skipped", "skip_reason": "Dependency not found"}


@pytest.mark.parametrize(
    ("parts", "code", "words"),
    [
        ([GOOD], 0, "0 of 1 parts have a known weakness"),
        ([GOOD, BAD, SKIPPED], 1, "bad 1: CVE-1; mended in 2, 3"),
        ([GOOD, SKIPPED], 3, "nothing is known of 1 of 2 parts"),
    ],
)
def test_what_is_not_known_is_not_good(parts: list[dict[str, Any]], code: int, words: str) -> None:
    """pip-audit ends well where it could look nothing up; we do not."""
    report = {"dependencies": parts}
    assert audit.code(report) == code
    assert any(words in line for line in audit.sentences(report))


def test_the_tools_of_the_audit_are_pinned() -> None:
    """They run on our machines, with our rights: as any other part they are of one version."""
    setup = configparser.ConfigParser()
    setup.read(audit.ROOT / "setup.cfg")
    names = re.findall(r"^[\w-]+", setup["options.extras_require"]["audit"].strip(), re.MULTILINE)
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in audit.CONSTRAINTS.open()}
    assert names == ["cyclonedx-bom", "pip-audit"]
    assert set(names) <= pinned
