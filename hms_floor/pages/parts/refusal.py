"""Show a refusal in place of a page: what was wrong, and where to go from here."""

from __future__ import annotations

from nicegui import ui
from starlette.requests import Request

from hms_floor import subpath
from hms_floor.api.access.roles import Roles
from hms_floor.auth.tokens import Role
from hms_floor.pages.parts.html import link
from hms_floor.pages.sign_in.api_client import Refused
from hms_floor.pages.sign_in.session import Visitor

_TITLES = {
    400: "The address is wrong",
    403: "Not for your role",
    404: "Not found",
    422: "The address is wrong",
    429: "Too much at once",
    500: "Something went wrong",
    503: "The ledger does not answer",
}
_AGAIN = "This page tries again every few seconds."
#: Statuses that pass by themselves: the page is loaded again meanwhile, after so many seconds.
_PASSING = (429, 503)
AGAIN_SECONDS = 5


def show(refused: Refused, *, back: tuple[str, str] | None, heading: str = "h1") -> None:
    """Show the reason on the page that is being built, with the way back, and answer with its status."""
    ui.context.client.status_code = refused.status
    with ui.element("section").classes("card").props('role="alert"'):
        with ui.element(heading):
            ui.label(_TITLES.get(refused.status, "That was refused"))
        ui.label(sentence(refused))
        if refused.status in _PASSING:
            ui.add_head_html(f'<meta http-equiv="refresh" content="{AGAIN_SECONDS}">')
            ui.label(_AGAIN).classes("faint")
        if back is not None:
            link(*back)


def not_for(visitor: Visitor, roles: Roles) -> Refused:
    """Why a page stays closed to this visitor."""
    theirs = " and ".join(sorted(visitor.badge.roles)) or "none"
    if visitor.badge.roles == {Role.AGENT}:
        reason = "Your badge is that of an agent: it reserves jobs over the API, and no page is open to it."
        return Refused(403, f"{reason} Sign out, and in again with another badge.")
    needed = sorted(roles)
    which = needed[0] if len(needed) == 1 else f"{', '.join(needed[:-1])} or {needed[-1]}"
    return Refused(
        403, f"This page needs the role {which}; yours: {theirs}. An admin can issue such a badge."
    )


def sentence(refused: Refused) -> str:
    """What was refused, as a sentence that begins and ends as one."""
    reason = str(refused).strip() or "No reason was given"
    return f"{reason[0].upper()}{reason[1:]}" + ("" if reason.endswith((".", "?", "!")) else ".")


def back_from(request: Request) -> tuple[str, str]:
    """The words and the address of the list that a page belongs to, or of the page without its filters."""
    parts = subpath.inside(request.scope).removeprefix("/floor/").split("/")
    lists = {"jobs": "All jobs", "cycles": "All cycles", "incidents": "All incidents"}
    if request.url.query or len(parts) > 1:
        if parts[0] in lists:
            return lists[parts[0]], f"/floor/{parts[0]}"
        if parts[0] in ("sla", "audit"):
            return "Without filters", f"/floor/{parts[0]}"
    return "Back to the floor", "/floor/"
