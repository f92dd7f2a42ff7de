"""The product names none of its applications: what it has of one comes from the recipe and its package."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("hms_oms", "hms_act", "hms_ops", "hms_floor", "workers")
#: Where examples for people stand outside of docstrings: the API's own document, help.
EXAMPLES = {
    "hms_floor/cli/cycles/cycle.py",
    "hms_floor/api/openapi/examples.py",
    "hms_floor/api/requests/requests.py",
    "hms_floor/api/routes/jobs/jobs.py",
    "hms_floor/api/routes/installation/stream.py",
}


def test_nothing_outside_of_its_package_names_farm_grants() -> None:
    """Neither statements nor code; examples in help texts and in the API's document may."""
    uses = [use for package in PACKAGES for use in _uses(ROOT / package)]
    assert uses == []


def _uses(folder: Path) -> Iterator[str]:
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(ROOT))
        if name.startswith(("workers/farm_grant", "workers/recipes")) or name in EXAMPLES:
            continue
        text = path.read_text(encoding="utf-8") if path.suffix in (".py", ".sql") else ""
        if "farm" in text.lower():
            lines = _in_code(ast.parse(text)) if path.suffix == ".py" else [1]
            yield from (f"{name}:{line}" for line in lines)


def _in_code(tree: ast.Module) -> Iterator[int]:
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        named = {
            ast.Constant: lambda node: str(node.value) if id(node) not in docstrings else "",
            ast.Name: lambda node: node.id,
            ast.Attribute: lambda node: node.attr,
            ast.ImportFrom: lambda node: node.module or "",
            ast.alias: lambda node: node.name,
        }.get(type(node))
        if named is not None and "farm" in named(node).lower():
            yield getattr(node, "lineno", 0)
