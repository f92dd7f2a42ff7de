"""The lists of mutants, and of modules that are changed in every way, are in step with the code."""

from __future__ import annotations

from collections.abc import Iterator

from tests.mutants import pure
from tests.mutants.__main__ import ROOT, read


def test_each_mutant_has_its_place_and_its_tests() -> None:
    """A guard that was moved or written otherwise is still taken out, and its tests are still there."""
    mutants = read()
    assert [fault for mutant in mutants if (fault := mutant.fault(ROOT))] == []
    assert [name for mutant in mutants for name in mutant.tests if not (ROOT / name).exists()] == []


def test_each_pure_module_and_each_argument_has_its_place() -> None:
    """A module that was moved is still changed, and what is argued is about a line that is still there."""
    modules, arguments = pure.read()
    files = [module.file for module in modules]
    assert files == list(dict.fromkeys(files))
    tests = {test.partition("::")[0] for module in modules for test in module.tests}
    assert [file for file in (*files, *tests) if not (ROOT / file).exists()] == []
    gone = [part.line for part in arguments if part.line and part.line not in lines(part.file, files)]
    assert gone == []
    assert all(part.because and part.operators for part in arguments)


def lines(file: str, files: list[str]) -> set[str]:
    """The lines of a file, or of all, as they are without their indentation."""
    assert file in ("", *files)
    return set(_lines([file] if file else files))


def _lines(files: list[str]) -> Iterator[str]:
    for file in files:
        yield from map(str.strip, (ROOT / file).read_text(encoding="utf-8").splitlines())
