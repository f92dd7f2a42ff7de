"""What the image is built from is there, and reaches the build."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.packaging import dockerfile

ROOT = Path(__file__).resolve().parents[2]


def copied() -> list[str]:
    """Everything that the build stage copies from the checkout."""
    return [
        source
        for keyword, words in dockerfile.steps((ROOT / "Dockerfile").read_text())
        if keyword == "COPY"
        for source in words[:-1]
    ]


@pytest.mark.parametrize("source", copied())
def test_what_the_image_copies_is_there_and_not_ignored(source: str) -> None:
    """Each source of a COPY exists, and .dockerignore lets it through."""
    assert (ROOT / source).exists()
    assert not dockerfile.is_ignored(source, (ROOT / ".dockerignore").read_text())


@pytest.mark.parametrize("source", [".env", ".git", ".hms", "tests"])
def test_secrets_data_and_history_stay_out_of_the_image(source: str) -> None:
    """What nobody may find in an image is not even sent to the engine."""
    assert dockerfile.is_ignored(source, (ROOT / ".dockerignore").read_text())
