"""Probes for livez and readyz: does this program's process on this host live? Imports next to nothing."""

from __future__ import annotations

from collections.abc import Sequence

import click


def command(noun: str, what: str, programs: Sequence[str]) -> click.Command:
    """`hms {noun} health`: each of `programs` has to have a process here that lives, and none that hangs."""

    @click.command("health")
    @click.option("as_json", "--json", is_flag=True, help="Print JSON.")
    @click.pass_context
    def health(ctx: click.Context, as_json: bool) -> None:
        _probe(ctx, what, programs, as_json=as_json)

    health.help = (
        f"Tell whether the {what} of this HMS_HOME lives and does not hang; exits with 0 or 1.\n\n"
        "For liveness and readiness probes: it asks this host's process alone, by the sign that it renews"
        " every two seconds, and neither PostgreSQL nor Redis; `hms check` asks those.\n\n"
        f"\b\nExample:  hms {noun} health"
    )
    return health


def _probe(ctx: click.Context, what: str, programs: Sequence[str], *, as_json: bool) -> None:
    import json

    from hms_oms.daemon import liveness
    from hms_oms.runtime import settings

    home = settings.load().home
    signs = {program: liveness.read(home, program) for program in programs}
    lives = [life for sign in signs.values() for life in sign]
    well = all(signs.values()) and all(life.alive for life in lives)
    if as_json:
        documents = [
            {
                "program": life.program,
                "pid": life.pid,
                "state": life.state,
                "ageSeconds": round(life.age, 1),
                "alive": life.alive,
            }
            for life in lives
        ]
        click.echo(json.dumps({"ok": well, "processes": documents}))
    else:
        for life in lives:
            how = "lives" if life.alive else "hangs" if life.exists else "is gone"
            click.echo(f"{life.program} {life.pid} {how}: {life.state}, heard {max(0.0, life.age):.0f} s ago")
        if not all(signs.values()):
            click.echo(f"no {what} has left a sign of life in {home}")
    if not well:
        ctx.exit(1)
