"""The one-time link of `hms up`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hms_floor.auth import sign_in_link


def test_a_code_is_used_up_by_one_of_those_who_come_at_once(tmp_path: Path) -> None:
    """Anyone who is first is let in, and nobody after."""
    code = sign_in_link.make_code(tmp_path, 1000.0)
    assert (tmp_path / sign_in_link.CODE_FILE).stat().st_mode & 0o077 == 0
    with ThreadPoolExecutor(8) as pool:
        let_in = list(pool.map(lambda _: sign_in_link.use_code(tmp_path, code, 1001.0), range(32)))
    assert sum(let_in) == 1


def test_a_wrong_code_uses_nothing_up_and_an_old_one_does_not_open(tmp_path: Path) -> None:
    """Only the newest code holds, for its time."""
    assert not sign_in_link.use_code(tmp_path, "x", 0.0)
    old = sign_in_link.make_code(tmp_path, 0.0)
    code = sign_in_link.make_code(tmp_path, 1000.0)
    assert not sign_in_link.use_code(tmp_path, old, 1000.0)
    assert not sign_in_link.use_code(tmp_path, "ü", 1000.0)
    assert not sign_in_link.use_code(tmp_path, code, 1000.0 + sign_in_link.SECONDS + 0.1)
    assert sign_in_link.use_code(tmp_path, code, 1000.0 + sign_in_link.SECONDS)
    (tmp_path / sign_in_link.CODE_FILE).write_text("no JSON")
    assert not sign_in_link.use_code(tmp_path, code, 1000.0)
