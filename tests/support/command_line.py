"""Runs `hms` within the process of the tests, which saves the second that a program takes to start.

What is about processes themselves (signals, pipes, terminals, encodings) runs `hms` as a program.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from unittest import mock

from click.testing import CliRunner, Result

from hms_floor.cli import main
from hms_floor.cli.terminal import api_client, show, zones

Hms = Callable[..., subprocess.CompletedProcess[str]]
Results = Callable[..., Result]


def command_line(environment: Mapping[str, str]) -> Hms:
    """A function that calls `hms` with words and this environment, and returns what a program would."""

    def run(*words: str, feed: str | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        forget()
        others = {name: value for name, value in os.environ.items() if not name.startswith("HMS_")}
        with mock.patch.dict(os.environ, {**others, **environment, **more}, clear=True):
            answer = CliRunner().invoke(main, words, input=feed, prog_name="hms")
        assert answer.exception is None or isinstance(answer.exception, SystemExit), answer.exception
        forget()
        return subprocess.CompletedProcess(words, answer.exit_code, answer.stdout, answer.stderr)

    return run


def results(*noun: str) -> Results:
    """A function that calls `hms NOUN` with words and as many columns, in this environment."""

    def call(*words: str, columns: int = 240) -> Result:
        return CliRunner().invoke(main, [*noun, *words], env={"COLUMNS": str(columns)})

    return call


def forget() -> None:
    """Let each call find its API, badge and terminal again, as each process does."""
    for cached in (api_client.act, api_client.oms, api_client.ops, show.err, zones._office):
        cached.cache_clear()
