"""`hms floor`: the API for programs and for people outside the machine."""

from __future__ import annotations

from contextlib import suppress

import click

from hms_floor.cli.terminal.errors import Failure
from hms_oms.runtime import settings


@click.group()
def floor() -> None:
    """The API: the HTTP API and the pages, for those with a badge."""


@floor.command("link")
def link() -> None:
    """Print a link that signs anyone who opens it in to the pages, with every right, once, within 15 minutes.

    It works for the floor of this machine's HMS_HOME only.

    \b
    Example:  hms floor link
    """
    import time

    from hms_floor.auth import sign_in_link

    configured = settings.load()
    if configured.badge_jwks is not None:
        raise Failure("HMS_BADGE_JWKS is set: badges come from the identity provider, and links from nobody")
    url = configured.floor_url
    if url is None:
        raise Failure(f"no floor is running in {configured.home}: start one with `hms up` or `hms floor run`")
    code = sign_in_link.make_code(configured.home, time.time())
    click.echo(f"{configured.public_url or url}/enter?code={code}")


@floor.command("run")
@click.option("--fd", type=click.IntRange(3), hidden=True, help="A socket that listens already.")
def run_floor(fd: int | None) -> None:
    """Serve the API and the pages at HMS_FLOOR_HOST and HMS_FLOOR_PORT until SIGTERM or Ctrl-C.

    Any number may run, on any host. The key that badges are signed with is made where there is none, and
    with it a badge for the person who runs this machine, in HMS_HOME.

    \b
    Example:  hms floor run
    """
    import socket

    from sqlalchemy.exc import DBAPIError

    from hms_floor.api import app, server
    from hms_floor.auth import local_token
    from hms_floor.pages import mount
    from hms_oms.database.schema import schema_revision
    from hms_oms.runtime import logs

    configured = settings.load()
    logs.configure(configured, "floor")
    # A database that is away is waited for: the pages say so meanwhile.
    with suppress(DBAPIError):
        schema_revision.require(configured.servers()[0])
    if configured.twilio_auth_token is not None:
        # What its callbacks are checked with is missing now rather than when the first one comes.
        import twilio.request_validator  # noqa: F401
    if configured.badge_jwks is None:
        local_token.keep(configured.home, configured)
    application = app.make(configured)
    mount.mount(application, configured)
    server.serve(application, configured, None if fd is None else socket.socket(fileno=fd))
