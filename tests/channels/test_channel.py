"""A channel: what it can tell for sure about a text that it handed over; its address is never shown."""

from __future__ import annotations

import io
import logging
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hms_oms.messages.records import Dispatch
from hms_oms.runtime import settings
from hms_ops.paging.channels import directory
from hms_ops.paging.channels.channel import BadAddress, Channel, service_name
from hms_ops.paging.channels.channels import Channels
from hms_ops.paging.channels.directory import BadChannels
from hms_ops.paging.senders import Outcome, Result
from tests.channels import strangers
from tests.channels.strangers import Mailbox, Service

SECRET = "hunter2SECRETtoken"


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    """One service for all tests of this module."""
    with strangers.service() as stranger:
        yield stranger


@pytest.fixture
def service(running: Service) -> Service:
    """The service, with everything forgotten."""
    running.taken.clear()
    running.answers.clear()
    return running


@pytest.fixture(scope="module")
def mail() -> Iterator[tuple[Mailbox, int]]:
    """A server of mail."""
    with strangers.mailbox() as running:
        yield running


def text(**more: Any) -> Dispatch:
    """A text under our lease."""
    given: dict[str, Any] = {"id": 1, "fence": 1, "attempt": 1, "tries": 1, "token": "one", "page": True}
    given |= {"kind": "page", "reference": "K7", "recipient": "channel:ops", "body": "HMS #K7 late."}
    given |= {"resend": False, "sid": None, "write_by": time.monotonic() + 30}
    return Dispatch(**{**given, **more})


def sent(address: str, public_url: str | None = None, **more: Any) -> Outcome:
    """What one text comes to."""
    (outcome,) = Channel("ops", address, public_url).send([text(**more)])
    return outcome


@pytest.mark.parametrize(
    "address", ["json://127.0.0.1:{}/hook", "mmost://127.0.0.1:{}/{}", "ntfy://127.0.0.1:{}/{}"]
)
def test_what_is_taken_is_unconfirmed(service: Service, address: str) -> None:
    """The service has it; none says whether anybody has read it. It leads to its incident."""
    outcome = sent(address.format(service.port, "a" * 24), "https://hms.example.org")
    assert (outcome.result, outcome.status, outcome.fault) == (Result.TAKEN, "unconfirmed", None)
    [words] = service.texts
    assert "HMS #K7 late." in words
    assert "https://hms.example.org/floor/incidents/K7" in words


@pytest.mark.parametrize(
    ("answer", "expected", "fault"),
    [
        (429, Result.BUSY, "HTTP 429"),
        (404, Result.REFUSED, "HTTP 404"),
        (403, Result.REFUSED, "HTTP 403"),
        (408, Result.UNKNOWN, "HTTP 408"),
        (500, Result.UNKNOWN, "HTTP 500"),
        (503, Result.UNKNOWN, "HTTP 503"),
        ("cut", Result.UNKNOWN, "there was no answer"),
    ],
)
def test_each_answer_has_its_class(service: Service, answer: int | str, expected: Result, fault: str) -> None:
    """A definite no is one; what may have arrived all the same is unknown."""
    for address in ("json://127.0.0.1:{}/", f"mmost://127.0.0.1:{{}}/{'a' * 24}"):
        service.answers.append(answer)
        outcome = sent(address.format(service.port))
        assert (outcome.result, outcome.fault) == (expected, fault)


def test_no_connection_is_not_sent(service: Service) -> None:
    """A refused connection is sure, a name that does not exist as well; so is what comes too late."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        assert sent(f"json://127.0.0.1:{port}").result is Result.NOT_SENT
        letter = f"mailto://127.0.0.1:{port}?from=hms@example.org&to=ops@example.org&mode=insecure"
        assert sent(letter).result is Result.NOT_SENT
    assert sent("json://no-such-host.invalid").result is Result.NOT_SENT
    late = sent(f"json://127.0.0.1:{service.port}", write_by=time.monotonic() - 0.001)
    assert (late.result, service.taken) == (Result.NOT_SENT, [])
    assert late.fault == "the time in which it may be written is over"


def test_a_letter(mail: tuple[Mailbox, int]) -> None:
    """A letter is taken, put off or refused by the words of the server; half a conversation is none."""
    box, port = mail
    address = f"mailto://127.0.0.1:{port}?from=hms@example.org&to=ops@example.org&mode=insecure"
    assert sent(address).status == "unconfirmed"
    [letter] = box.letters
    assert b"HMS #K7 late." in bytes(letter.content or b"")
    box.answers += ["452 the disk is full", "554 no"]
    assert [sent(address).result for _ in range(2)] == [Result.NOT_SENT, Result.REFUSED]
    box.unknown.add("ops@example.org")
    outcome = sent(address)
    assert (outcome.result, outcome.fault) == (Result.REFUSED, "SMTP 550")
    late = sent(address, write_by=time.monotonic() - 0.001)
    assert (late.result, len(box.letters)) == (Result.NOT_SENT, 1)


@pytest.mark.parametrize(
    ("last", "expected"), [("MAIL", Result.NOT_SENT), ("RCPT", Result.NOT_SENT), (".", Result.UNKNOWN)]
)
def test_a_conversation_that_ends_early(last: str, expected: Result) -> None:
    """What was said before the letter itself is no letter; once that was written, nobody can tell."""
    with strangers.curt_mail_server(last) as port:
        address = f"mailto://127.0.0.1:{port}?from=hms@example.org&to=ops@example.org&mode=insecure"
        assert sent(address).result is expected


def test_an_address_is_one_place() -> None:
    """What Apprise does not understand, or leads to several people, is refused without being repeated."""
    assert service_name("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops") == "Slack"
    for address in (
        f"nothing://{SECRET}",
        f"slack://{SECRET}",
        SECRET,
        f"mailto://u:{SECRET}@example.org?to=ann@example.org,bob@example.org",
    ):
        with pytest.raises(BadAddress) as refused:
            service_name(address)
        assert SECRET not in str(refused.value)


def test_an_address_is_never_shown(
    service: Service, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither outcomes nor logs, at whatever level, nor the representation of a channel repeat it."""
    root, lines = logging.getLogger(), io.StringIO()
    monkeypatch.setattr(root, "handlers", [logging.StreamHandler(lines)])
    monkeypatch.setattr(root, "level", logging.DEBUG)
    root.debug("all of this is logged")
    service.answers += [404, "cut", 200]
    address = f"json://ann:{SECRET}@127.0.0.1:{service.port}/{SECRET}?-key={SECRET}"
    outcomes = [sent(address) for _ in range(3)]
    outcomes.append(sent(f"json://{SECRET}.invalid/{SECRET}"))
    shown = f"{outcomes} {Channel('ops', address)!r} {lines.getvalue()} {capfd.readouterr()}"
    assert "all of this is logged" in shown
    assert SECRET.lower() not in shown.lower()


def test_the_file_of_the_channels(tmp_path: Path) -> None:
    """It is private and says by name where channels lead; what cannot be read is told without an address."""
    configured = settings.load({"HMS_HOME": str(tmp_path)})
    file = tmp_path / "channels.toml"
    assert directory.read(configured) == {}
    for words, why in [
        (f"ops = {SECRET}", "is not TOML"),
        (f'Ops = "{SECRET}"', "is no name of a channel"),
        (f"ops = ['{SECRET}']", "is not text"),
    ]:
        file.write_text(words)
        file.chmod(0o600)
        with pytest.raises(BadChannels, match=why) as refused:
            directory.read(configured)
        assert SECRET not in str(refused.value)
    file.write_text(directory.written({"ops": 'json://"\\ü'}))
    assert directory.read(configured) == {"ops": 'json://"\\ü'}
    file.chmod(0o640)
    with pytest.raises(BadChannels, match="may be read by others"):
        directory.read(configured)
    elsewhere = settings.load({"HMS_HOME": str(tmp_path), "HMS_CHANNELS": str(file)})
    assert list(directory.read(elsewhere)) == ["ops"]


def test_the_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    """The pager has a new channel at once; a file that cannot be used leaves those that were known."""
    configured = settings.load({"HMS_HOME": str(tmp_path)})
    file = tmp_path / "channels.toml"
    channels = Channels(configured)
    assert (channels.names, channels.remark) == ([], None)
    file.write_text(directory.written({"ops": "json://127.0.0.1"}))
    file.chmod(0o600)
    assert channels.of("channel:ops") is not None
    assert (channels.of("channel:desk"), channels.of("+12025550142")) == (None, None)
    file.write_text("ops =")
    assert channels.names == ["ops"]
    assert "is not TOML" in str(channels.remark)
    file.unlink()
    assert (channels.names, channels.remark) == ([], None)
