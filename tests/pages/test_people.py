"""The page of who has which role, and the button that takes a badge back."""

from __future__ import annotations

from pathlib import Path

import httpx
import sqlalchemy as sa
from playwright.sync_api import Browser, expect

from hms_oms.access import tokens as register
from tests.conftest import wait_until
from tests.pages.conftest import CALM
from tests.support.api import RunningApi, standing

FITS = "table => table.scrollWidth <= table.parentElement.clientWidth"
HIDDEN = "a-number-that-has-ended"
#: As long as any.
WHOLE = "0123456789abcdef0123456789abcdef"


def ask(api: RunningApi, badge: str, path: str = "/me") -> int:
    """The status of what the API answers to this badge."""
    headers = {"Authorization": f"Bearer {badge}"}
    return httpx.get(api.url + path, headers=headers, trust_env=False, verify=False).status_code


def test_who_has_which_role(
    database: str, engine: sa.Engine, broker: str, browser: Browser, tmp_path: Path
) -> None:
    """Badges that hold, also of elsewhere once they were shown; one is taken back with a reason."""
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into oms.badges (jti, actor, roles, issued_by, expires_at)"
            f" values ('{HIDDEN}', 'gone', '{{viewer}}', 'root', oms.now() - interval '1 minute'),"
            f" ('{WHOLE}', 'grace.hopper@example.gov', '{{admin,manager,oncall,operator,viewer}}', 'root',"
            " oms.now() + interval '1 hour')"
        )
    with standing(database, broker, tmp_path / "home") as api:
        bob = api.badge("agent", actor="bob", queues=["shop"])
        assert ask(api, bob) == 200
        with browser.new_context(**CALM) as context:
            context.add_cookies(
                [{"name": "hms_badge", "value": api.badge("admin", actor="ann"), "url": api.url}]
            )
            page = context.new_page()
            page.goto(f"{api.url}/floor/people")
            row = page.get_by_role("row").filter(has_text="bob")
            expect(row).to_contain_text("agent")
            expect(row).to_contain_text("shop")
            expect(page.get_by_text(HIDDEN)).to_have_count(0)
            expect(page.get_by_role("row").filter(has_text="grace")).to_contain_text(WHOLE)
            assert page.locator("table").evaluate(FITS), "the numbers of badges are cut off"
            expect(page.get_by_role("button", name="Take back")).to_be_disabled()
            row.get_by_role("checkbox").check()
            page.get_by_role("button", name="Take back").click()
            dialog = page.get_by_role("dialog", name="Take back 1 badge")
            dialog.get_by_role("button", name="Take back").click()
            expect(dialog.get_by_text("say why")).to_be_visible()
            dialog.get_by_label("Why?").fill("left the office")
            dialog.get_by_role("button", name="Take back").click()
            expect(row).to_have_count(0, timeout=20_000)
        wait_until(lambda: ask(api, bob) == 401, "the badge to be refused")
    with engine.connect() as connection:
        query = "select actor, reason from oms.audit where action = 'POST /badges/{jti}/revoke'"
        assert tuple(connection.execute(sa.text(query)).one()) == ("ann", "left the office")


def test_a_badge_is_seen_again(engine: sa.Engine) -> None:
    """What was said of it first stays; when it was shown last is noted, in whatever order processes do it."""
    first = register.Seen("b", "ann", ["viewer"], ["shop"], 4_000_000_000.0)
    other = register.Seen("a", "bob", [], [], 4_000_000_000.0)
    with engine.begin() as connection:
        register.note_seen(connection, [first, other])
    with engine.begin() as connection:
        register.note_seen(connection, [register.Seen("b", "eve", ["admin"], [], 4_000_000_000.0)])
        register.note_seen(connection, [])
    with engine.connect() as connection:
        badges = {badge.jti: badge for badge in register.find(connection, limit=10, valid=True)}
    assert (badges["b"].actor, badges["b"].roles, badges["b"].queues) == ("ann", ["viewer"], ["shop"])
    assert badges["b"].last_seen_at is not None
    assert badges["a"].last_seen_at is not None
    assert badges["b"].last_seen_at >= badges["a"].last_seen_at
