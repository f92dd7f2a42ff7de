"""`hms oncall channel`: e-mail, Slack, Teams, PagerDuty, ntfy and others, which pages may go to.

Their addresses are secrets: they are read from a hidden prompt or from standard input, never from arguments,
and kept in a file of this machine that only its owner may read.
"""

from __future__ import annotations

import sys
import time

import click

from hms_floor.cli.terminal import api_client, show, tables
from hms_floor.cli.terminal.errors import Failure, NotFound, WrongCall
from hms_floor.cli.verbs import Verbs
from hms_floor.private_files import write_private
from hms_oms.api.codec import document
from hms_oms.documents.messages import Text
from hms_oms.messages.recipients import of_channel
from hms_oms.runtime import settings
from hms_ops.paging.channels import channel as services
from hms_ops.paging.channels import directory
from hms_ops.paging.channels.channel import BadAddress

#: How long `hms oncall channel test` waits for what becomes of its page, in seconds.
TEST_SECONDS = 30.0
#: How often it looks, in seconds.
LOOK_SECONDS = 0.3
_WAITS = "a channel gets one page a minute; or does `hms ops run` not run?"
_WAYS = """
\b
Addresses are those of Apprise, as
  slack://TokenA/TokenB/TokenC/#ops           mailtos://user:password@example.org?to=ops@example.org
  workflows://host/workflow/signature         pagerduty://IntegrationKey@ApiKey
  ntfy://ntfy.example.org/topic               jsons://example.org/hook
"""


@click.group(cls=Verbs)
def channel() -> None:
    """Name e-mail, Slack, Teams, PagerDuty and others that pages may go to.

    The on-call document names a channel in place of a phone: ops = { channel = "ops-slack" }. A channel tells
    nobody whether a page was read, and takes no reply.
    """


@channel.command("list")
@show.json_option
def list_channels(as_json: bool) -> None:
    """List the channels of this machine; their addresses are not shown.

    \b
    Example:  hms oncall channel list
    """
    configured = settings.load()
    rows = [(name, _service(address)) for name, address in sorted(directory.read(configured).items())]
    if as_json:
        show.print_json([{"name": name, "service": service} for name, service in rows])
    elif rows:
        show.lines(tables.table(["channel", "service"], rows))
    else:
        show.lines(f"{directory.path(configured)} names no channel; `hms oncall channel add` adds one.")


@channel.command("add", epilog=_WAYS)
@click.argument("name")
def add(name: str) -> None:
    """Keep the address of channel NAME, which is asked for, or read from standard input.

    \b
    Example:  hms oncall channel add ops-slack < slack-address
    """
    if not directory.is_name(name):
        raise WrongCall(f"{name!r} is no name of a channel: small letters, digits and '-', as ops-slack")
    configured = settings.load()
    known = directory.read(configured)
    if sys.stdin.isatty():
        address = click.prompt("Address", hide_input=True, err=True)
    else:
        address = sys.stdin.readline()
    address = address.strip()
    try:
        service = services.service_name(address)
    except BadAddress as error:
        raise WrongCall(f"nothing was kept: {error}") from None
    path = directory.path(configured)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(path, directory.written({**known, name: address}))
    show.lines(
        f"Channel {name} ({service}) is kept in {path}, and the pager of this machine has it at once.",
        f'Name it in the on-call document, as team = {{ channel = "{name}" }}',
        f"See that pages arrive with: hms oncall channel test {name}",
    )


@channel.command("remove")
@click.argument("name")
def remove(name: str) -> None:
    """Forget the address of channel NAME: pages to it fail from then on, and the next step is called.

    \b
    Example:  hms oncall channel remove ops-slack
    """
    configured = settings.load()
    known = dict(directory.read(configured))
    if known.pop(name, None) is None:
        raise NotFound(f"there is no channel {name}; known are {', '.join(sorted(known)) or 'none'}")
    write_private(directory.path(configured), directory.written(known))
    show.lines(f"Channel {name} is forgotten.")


@channel.command("test")
@click.argument("name")
@click.option("--reason", metavar="TEXT", help="Why, for the audit trail.")
@show.json_option
def test(name: str, reason: str | None, as_json: bool) -> None:
    """Send channel NAME a page that says it is a test, and tell what became of it.

    \b
    Example:  hms oncall channel test ops-slack
    """
    before = {text.id for text in _tests(name)}
    token = api_client.ops().test_page(channel=name, reason=reason)
    deadline = time.monotonic() + TEST_SECONDS
    while True:
        sent = [text for text in _tests(name) if text.id not in before]
        if sent and sent[0].fate not in ("pending", "sending"):
            break
        if time.monotonic() > deadline:
            why = (sent[0].fault if sent else None) or _WAITS
            raise Failure(f"the page has not gone within {TEST_SECONDS:g} s: {why}")
        time.sleep(LOOK_SECONDS)
    text = sent[0]
    if as_json:
        show.print_json({"token": token, **document(text)})
    elif text.fate == "unconfirmed":
        show.lines(f"{name} has taken the page; whether it is read, no channel tells.")
    else:
        raise Failure(
            f"{name} did not take the page: it is {text.fate}, {text.fault or 'for no known reason'}"
        )


def _tests(name: str) -> list[Text]:
    texts = api_client.ops().texts(limit=50)
    return [text for text in texts if text.kind == "test" and text.to == of_channel(name)]


def _service(address: str) -> str:
    try:
        return services.service_name(address)
    except BadAddress as error:
        return f"cannot be used: {error}"
