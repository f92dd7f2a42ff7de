"""Exit codes: one table, told in the help and in the README alike."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from hms_floor.cli import exit_codes, main


def test_readme_and_help_have_the_table() -> None:
    """Both are made from it."""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert exit_codes.markdown() in readme
    output = CliRunner().invoke(main, ["--help"]).stdout
    for code, meaning in exit_codes.MEANINGS.items():
        assert f"{code:>5}  {meaning.replace('`', '')}" in output


@pytest.mark.parametrize(("left", "whole", "code"), [(0, 0, 0), (0, 3, 0), (1, 3, 6), (3, 3, 7), (1, 1, 7)])
def test_what_was_left_has_its_code(left: int, whole: int, code: int) -> None:
    """None, some and all are told apart."""
    assert exit_codes.of_parts(left, whole) == code
