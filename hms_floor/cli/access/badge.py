"""`hms badge`: badges of this machine, made and read with its own key."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any

import click
from rich.text import Text

from hms_floor.auth import tokens
from hms_floor.auth.tokens import Badge, BadgeRefused, Role
from hms_floor.cli import names
from hms_floor.cli.terminal import show, tables
from hms_floor.cli.terminal.errors import Failure
from hms_floor.cli.verbs import Verbs
from hms_floor.ledger import reading, who, writing
from hms_oms.access import audit
from hms_oms.access import tokens as register
from hms_oms.access.audit import Act
from hms_oms.access.tokens import Registered
from hms_oms.api.codec import document
from hms_oms.database import health
from hms_oms.runtime import settings

#: Where acts come from that were done on the machine itself.
_HERE = "this machine"


@click.group(cls=Verbs, same={"get": "show"})
def badge() -> None:
    """Issue badges for the API, read them, and take them back."""


@badge.command("issue")
@click.option("--actor", required=True, metavar="WHO", help="In whose name its bearer acts.")
@click.option(
    "--role",
    "roles",
    type=click.Choice([role.value for role in Role]),
    multiple=True,
    required=True,
    help="What its bearer may do; may be given several times.",
)
@click.option(
    "--queue",
    "queues",
    metavar="QUEUE",
    shell_complete=names.queues,
    multiple=True,
    help="A queue that an agent works on.",
)
@click.option(
    "--hours",
    type=click.FloatRange(0, tokens.MOST_HOURS, min_open=True),
    default=8.0,
    show_default=True,
    help="How long it holds.",
)
@click.option("--reason", metavar="TEXT", help="Why, for the audit trail.")
def issue(
    actor: str, roles: tuple[str, ...], queues: tuple[str, ...], hours: float, reason: str | None
) -> None:
    """Issue a badge, and print its token to standard output: it is told this once, and kept nowhere.

    \b
    Example:  hms badge issue --actor manager@example.gov --role manager --hours 8
    """
    configured = settings.load()
    if configured.badge_key is None:
        tokens.make_key(configured.home)
    issued = tokens.issue(
        configured, actor=actor, roles=[Role(role) for role in roles], queues=queues, hours=hours
    )
    made = issued.badge
    with writing() as connection:
        register.register(
            connection,
            jti=made.jti,
            actor=actor,
            roles=sorted(made.roles),
            queues=queues,
            issued_by=who(),
            expires_at=datetime.fromtimestamp(int(made.expires_at), UTC),
        )
        detail = {"actor": actor, "roles": sorted(made.roles), "queues": list(queues)}
        audit.write(connection, [Act(who(), [], "hms badge issue", made.jti, 201, _HERE, reason, detail)])
    click.echo(issued.token)
    click.echo(f"Number {made.jti}; take it back with: hms badge revoke {made.jti}", err=True)


@badge.command("list")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many.")
@show.json_option
def list_badges(limit: int, as_json: bool) -> None:
    """List the badges on the register, newest first: whose they are, until when, and which were taken back.

    \b
    Example:  hms badge list
    """
    with reading() as connection:
        badges = register.find(connection, limit=limit)
        now = health.clock(connection)
    if as_json:
        show.print_json([document(listed) for listed in badges])
    elif badges:
        rows = [
            (
                listed.jti,
                listed.actor,
                ", ".join(listed.roles),
                "-" if listed.expires_at is None else show.local(listed.expires_at, now),
                _standing(listed, now),
                "-" if listed.last_seen_at is None else show.local(listed.last_seen_at, now),
                listed.issued_by or "-",
            )
            for listed in badges
        ]
        headers = ["number", "whose", "roles", "until", "standing", "last seen", "issued by"]
        show.lines(tables.table(headers, rows, spare=["issued by", "last seen", "roles"]))
    else:
        show.lines("No badge is on the register.")


@badge.command("revoke")
@click.argument("number", metavar="JTI")
@click.option("--reason", metavar="TEXT", help="Why, for the audit trail.")
@show.json_option
def revoke(number: str, reason: str | None, as_json: bool) -> None:
    """Take a badge back by its number: the API refuses it within two seconds.

    \b
    Example:  hms badge revoke 4be1c0 --reason "the phone is lost"
    """
    with writing() as connection:
        revoked = register.revoke(connection, number, who=who(), reason=reason)
        audit.write(connection, [Act(who(), [], "hms badge revoke", number, 200, _HERE, reason)])
    if as_json:
        show.print_json({"jti": revoked.jti, "actor": revoked.actor, "revokedBy": revoked.revoked_by})
    else:
        show.lines(f"The badge {number} of {revoked.actor} is taken back.")


@badge.command("show")
@click.argument("source", metavar="[-]", required=False)
@show.json_option
def show_badge(source: str | None, as_json: bool) -> None:
    """Tell what a badge says and whether it holds: the one in HMS_HOME, or - for one on standard input.

    \b
    Example:  hms badge show
    """
    configured = settings.load()
    token = _token(source, configured)
    try:
        caller = tokens.checker(configured).check(token)
    except BadgeRefused as error:
        raise Failure(f"the badge does not hold: {error}") from None
    if as_json:
        show.print_json(_document(caller))
        return
    show.lines(tables.facts((name, _words(value)) for name, value in _document(caller).items()))


def _standing(listed: Registered, now: datetime) -> Text:
    """Whether a badge holds, in a word."""
    if listed.revoked_at is not None:
        return Text(f"taken back by {listed.revoked_by}", style="red")
    over = listed.expires_at is not None and listed.expires_at <= now
    return Text("over", style="dim") if over else Text("holds", style="green")


def _token(source: str | None, configured: settings.Settings) -> str:
    if source == "-":
        return sys.stdin.readline().strip()
    if source is not None:
        # A token on a command line is read by every process of the machine.
        raise click.UsageError("A badge is read from standard input: hms badge show -")
    path = configured.home / tokens.BADGE_FILE
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        raise Failure(f"there is no badge in {path}: `hms up` or `hms floor run` makes one") from None


def _document(badge: Badge) -> dict[str, Any]:
    expires_at = datetime.fromtimestamp(int(badge.expires_at), UTC)
    return {
        "actor": badge.actor,
        "roles": sorted(badge.roles),
        "queues": list(badge.queues),
        "jti": badge.jti,
        "expiresAt": expires_at.isoformat().replace("+00:00", "Z"),
    }


def _words(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)[1:-1].replace('"', "")
