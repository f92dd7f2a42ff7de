"""Where events may be sent: to public addresses by https, to others only if they are allowed by settings.

A name is resolved right before each request, and the request goes to the very address that was judged: what
a name leads to may change in between.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import SplitResult, urlsplit

from hms_oms.runtime.errors import HmsError

IpAddress = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
#: The addresses that a host and port lead to. Raises OSError.
Resolve = Callable[[str, int], Sequence[str]]

#: What a translator for IPv4 makes of any IPv4 address.
_NAT64 = IPv6Network("64:ff9b::/96")
LONGEST = 2000


class BadAddress(HmsError):
    """An address that events are not sent to; the message says why."""


class Unresolved(HmsError):
    """The name of a host that leads nowhere at present."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL and the address that a request to it goes to: `dialled` is the URL with that address in it."""

    dialled: str
    host: str
    host_header: str


def networks(text: str) -> tuple[Network, ...]:
    """Read networks: `10.0.0.0/8, 127.0.0.1`. Raises ValueError."""
    return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())


def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the machine's resolver. Raises OSError."""
    rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(row[4][0]) for row in rows]


def parts(url: str) -> SplitResult:
    """A URL in its parts. Raises BadAddress where it can be nothing that events are sent to."""
    if len(url) > LONGEST or not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise BadAddress(
            f"an address is at most {LONGEST} characters of ASCII, with the others percent-encoded"
        )
    try:
        parts, port = urlsplit(url), urlsplit(url).port
    except ValueError:
        raise BadAddress("it is not a URL, as https://example.org/hooks/hms") from None
    if parts.scheme not in ("https", "http") or not parts.hostname or port == 0:
        raise BadAddress("an address is an https URL, as https://example.org/hooks/hms")
    if parts.username is not None or parts.password is not None:
        raise BadAddress("an address has no user or password in it: events are signed")
    if parts.fragment:
        raise BadAddress("an address has no fragment (#)")
    return parts


def shown(url: str) -> str:
    """A URL without what may be a secret in it."""
    path, question, _ = url.partition("?")
    return f"{path}?..." if question else path


def target(url: str, allowed: Sequence[Network], resolve: Resolve = resolve) -> Target:
    """Resolve a URL and judge what it leads to. Raises BadAddress, and Unresolved if its host is unknown."""
    split = parts(url)
    host = split.hostname or ""
    port = split.port or (443 if split.scheme == "https" else 80)
    try:
        addresses = [ipaddress.ip_address(address.partition("%")[0]) for address in resolve(host, port)]
    except (OSError, UnicodeError, ValueError) as error:
        raise Unresolved(f"the host {host} is not known: {type(error).__name__}") from None
    if not addresses:
        raise Unresolved(f"the host {host} is not known")
    for address in addresses:
        if not may_be_reached(address, allowed):
            raise BadAddress(
                f"{host} leads to {address}, which is no public address; HMS_EVENTS_NETWORKS names the"
                " networks that events may go to besides"
            )
        if split.scheme == "http" and not address.is_loopback:
            raise BadAddress(f"{host} is not this machine: events leave it by https only")
    first = addresses[0]
    literal = f"[{first}]" if first.version == 6 else str(first)
    return Target(split._replace(netloc=f"{literal}:{port}").geturl(), host, split.netloc)


def may_be_reached(address: IpAddress, allowed: Sequence[Network]) -> bool:
    """Whether events may be sent to an address: a public one, or one in an `allowed` network."""
    if any(address in network for network in allowed if network.version == address.version):
        return True
    inner = _inside(address)
    if inner is not None:
        return may_be_reached(inner, allowed)
    return address.is_global and not address.is_multicast


def _inside(address: IpAddress) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for."""
    if isinstance(address, IPv4Address):
        return None
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
