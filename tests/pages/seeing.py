"""What somebody who sees badly, or not at all, would stumble over on a page as it stands."""

from __future__ import annotations

from pathlib import Path

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

#: axe-core leaves contrast undecided where words stand on a gradient, as in tables that can be pushed
#: sideways, and below a dialog or a toast it takes the backdrop for the ground of words, and what is covered
#: for too small; this reads the colours behind each word.
_FAINT = (Path(__file__).parent / "seeing.js").read_text()
#: WCAG 2.2 up to AA, with the rule about small targets, which is off by itself; and one h1 in one main.
_AXE = """() => axe.run(document, {
  runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"],
  rules: {
    "page-has-heading-one": { enabled: true }, "landmark-one-main": { enabled: true },
    "target-size": { enabled: !document.querySelector(".q-dialog, .q-notification, .undo") },
    "color-contrast": { enabled: !document.querySelector(".q-dialog, .q-notification, .undo") },
  },
  resultTypes: ["violations"],
}).then(({ violations }) => violations.flatMap(({ id, nodes }) => nodes.map(
  ({ html, failureSummary }) => `${id}: ${html.slice(0, 200)} ${failureSummary.replace(/\\s+/g, " ")}`
)))"""


def faults(page: Page) -> list[str]:
    """The violations that axe-core finds, and the texts that are too faint."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    violations: list[str] = page.evaluate(_AXE)
    return violations + page.evaluate(_FAINT)
