"""The parts of webhooks that need no ledger: signatures, addresses, and what follows from an answer."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from hms_oms.runtime.settings import Settings
from hms_ops.webhooks import addresses, sending, signing
from hms_ops.webhooks.addresses import BadAddress, Unresolved
from hms_ops.webhooks.sending import Outcome


def test_the_signature_is_that_of_the_specification() -> None:
    """The example of Standard Webhooks' own documents comes out."""
    headers = signing.headers(
        "whsec_plJ3nmyCDGBKInavdOK15jsl",
        "msg_loFOjxBNrRLzqYUf",
        1731705121,
        b'{"event_type":"ping","data":{"success":true}}',
    )
    assert headers["webhook-signature"] == "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="


def test_the_key_is_made_once_for_its_owner(tmp_path: Path) -> None:
    """Two who make it have the same, others may not read it, and each webhook has a secret of its own."""
    settings = Settings(home=tmp_path / "home")
    with pytest.raises(signing.NoEventsKey, match="HMS_EVENTS_KEY"):
        signing.key(settings)
    key = signing.make_key(settings)
    assert (signing.make_key(settings), signing.key(settings)) == (key, key)
    path = settings.home / signing.KEY_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len({signing.secret(key, 1, "a"), signing.secret(key, 2, "a"), signing.secret(key, 1, "b")}) == 3
    path.chmod(0o640)
    with pytest.raises(signing.NoEventsKey, match="chmod 600"):
        signing.key(settings)


@pytest.mark.parametrize(
    ("leads_to", "allowed", "fault"),
    [
        (["93.184.216.34"], "", None),
        (["2606:2800:220:1:248:1893:25c8:1946"], "", None),
        (["127.0.0.1"], "", "no public address"),
        (["10.2.3.4"], "", "no public address"),
        (["169.254.169.254"], "", "no public address"),
        (["100.64.0.1"], "", "no public address"),
        (["0.0.0.0"], "", "no public address"),
        (["224.0.0.1"], "", "no public address"),
        (["::1"], "", "no public address"),
        (["fe80::1%eth0"], "", "no public address"),
        (["fd00::1"], "", "no public address"),
        (["::ffff:10.0.0.1"], "", "no public address"),
        (["64:ff9b::a00:1"], "", "no public address"),
        (["2002:a00:1::"], "", "no public address"),
        (["93.184.216.34", "10.0.0.1"], "", "no public address"),
        (["10.2.3.4"], "10.2.0.0/16", None),
        (["::ffff:10.2.3.4"], "10.2.0.0/16", None),
        (["10.3.3.4"], "10.2.0.0/16", "no public address"),
    ],
)
def test_events_go_to_public_addresses_only(leads_to: list[str], allowed: str, fault: str | None) -> None:
    """Every address that the name leads to counts, in whatever disguise, unless its network is allowed."""
    networks = addresses.networks(allowed)
    if fault is None:
        target = addresses.target("https://hooks.example/x?y=1", networks, lambda *_: leads_to)
        assert (target.host, target.host_header) == ("hooks.example", "hooks.example")
        assert target.dialled.endswith(":443/x?y=1")
    else:
        with pytest.raises(BadAddress, match=fault):
            addresses.target("https://hooks.example/x", networks, lambda *_: leads_to)


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("ftp://example.org/", "https URL"),
        ("https://", "https URL"),
        ("https://ann:pw@example.org/", "no user or password"),
        ("https://example.org/#top", "no fragment"),
        ("https://exämple.org/", "ASCII"),
        ("https://example.org\\@10.0.0.1/", "ASCII"),
        ("https://[::1", "not a URL"),
        ("https://example.org:99999/", "not a URL"),
        ("http://example.org/", "by https only"),
    ],
)
def test_addresses_that_cannot_be_are_refused(url: str, fault: str) -> None:
    """The message says why, and http leads nowhere but to this machine."""
    with pytest.raises(BadAddress, match=fault):
        addresses.target(url, addresses.networks("127.0.0.0/8"), lambda *_: ["93.184.216.34"])


def test_the_request_goes_to_the_address_that_was_judged() -> None:
    """The name is resolved once; IPv6 is written as URLs have it; an unknown host is no bad address."""
    target = addresses.target("http://localhost:8080/x", addresses.networks("::1"), lambda *_: ["::1"])
    assert (target.dialled, target.host_header) == ("http://[::1]:8080/x", "localhost:8080")

    def nowhere(*_: object) -> list[str]:
        raise OSError

    with pytest.raises(Unresolved, match="is not known"):
        addresses.target("https://hooks.example/", (), nowhere)


def test_what_follows_from_an_attempt() -> None:
    """Later and later, after some failures the webhook is left alone, at last it is given up."""
    refused = Outcome("refused", 500, "HTTP 500")
    first = sending.after(refused, attempt=1, failures=0, seconds_left=1e6)
    assert (first.state, first.alone) == ("pending", 0.0)
    assert 4.5 <= first.delay <= 5.5
    tenth = sending.after(refused, attempt=10, failures=9, seconds_left=1e6)
    assert (tenth.state, tenth.alone) == ("pending", 600.0)
    assert tenth.delay > 20_000
    assert sending.after(refused, attempt=5, failures=4, seconds_left=1e6).alone == 30.0
    assert sending.after(refused, attempt=3, failures=2, seconds_left=60.0).state == "failed"
    assert (
        sending.after(Outcome("delivered", 204), attempt=9, failures=9, seconds_left=0.0).state == "delivered"
    )
    asked = sending.after(sending.read(429, "90"), attempt=1, failures=0, seconds_left=1e6)
    assert (asked.delay, asked.alone) == (90.0, 90.0)
    assert sending.read(302).fault == "HTTP 302: redirects are not followed"
    assert sending.read(410).gone
