"""Hosts that are network namespaces behind one bridge: each can be cut off, silenced, or lose packets."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.conftest import Programs

_NET = "10.77.0"
#: Whether packets can be lost at random here.
CAN_LOSE = shutil.which("nft") is not None


class Host:
    """One host; `address` is how the others reach it."""

    def __init__(self, prefix: str, name: str, number: int) -> None:
        self.name, self.address = name, f"{_NET}.{number}"
        self._space, self._port, self._switch = f"{prefix}-{name}", f"port{number}", f"{prefix}-net"

    def plug_in(self) -> None:
        """Make the host and its line to the others."""
        _run("ip", "netns", "add", self._space)
        names = ["name", self._port, "type", "veth", "peer", "name", "eth0", "netns", self._space]
        _run("ip", "-n", self._switch, "link", "add", *names)
        _run("ip", "-n", self._switch, "link", "set", self._port, "master", "bridge", "up")
        _run("ip", "-n", self._space, "addr", "add", f"{self.address}/24", "dev", "eth0")
        for device in ("eth0", "lo"):
            _run("ip", "-n", self._space, "link", "set", device, "up")

    def command(self, *words: str, account: int | None = None) -> list[str]:
        """The command that runs another one on this host, as the user with this number if there is one."""
        who = [f"--setuid={account}", f"--setgid={account}"] if account is not None else []
        return ["nsenter", f"--net=/run/netns/{self._space}", *who, "--", *words]

    def start(
        self, programs: Programs, name: str, *words: str, **environment: str
    ) -> subprocess.Popen[bytes]:
        """Start a program of ours on this host; `programs` ends it."""
        (programs.home / self.name).mkdir(exist_ok=True)
        with (programs.home / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                self.command(sys.executable, *words),
                env={**programs.environment, "HMS_HOME": str(programs.home / self.name), **environment},
                stdout=log,
                stderr=log,
                cwd=programs.home,
                start_new_session=True,
            )
        programs.processes.append(process)
        return process

    def cut(self) -> None:
        """Pull the plug: the network tells that nobody is there."""
        _run("ip", "-n", self._switch, "link", "set", self._port, "down")

    def silence(self) -> None:
        """Let every packet vanish, and tell nobody: the plug is in a socket that leads nowhere."""
        _run("ip", "-n", self._switch, "link", "set", self._port, "nomaster")

    def lose(self) -> None:
        """Let each tenth packet vanish, in both directions."""
        rules = ["add table inet faults"]
        for hook, way in (("input", "iifname"), ("output", "oifname")):
            rules.append(f"add chain inet faults {hook} {{ type filter hook {hook} priority 0; }}")
            rules.append(f'add rule inet faults {hook} {way} "eth0" numgen random mod 10 == 0 drop')
        _run("ip", "netns", "exec", self._space, "nft", "; ".join(rules))

    def mend(self) -> None:
        """Be a good host again."""
        _run("ip", "-n", self._switch, "link", "set", self._port, "master", "bridge", "up")
        if CAN_LOSE:
            _run("ip", "netns", "exec", self._space, "nft", "flush", "ruleset")


@contextmanager
def hosts(*names: str) -> Iterator[list[Host]]:
    """Hosts by name, for as long as the block lasts. Skips if they cannot be made here."""
    missing = [tool for tool in ("ip", "nsenter") if shutil.which(tool) is None]
    if os.geteuid() != 0 or missing:
        why = f"{', '.join(missing)} not installed" if missing else "only root may"
        pytest.skip(f"no network namespaces ({why}): nothing was tried with several hosts")
    prefix = f"hms{secrets.token_hex(2)}"
    made = [Host(prefix, name, number) for number, name in enumerate(names, start=1)]
    spaces = [f"{prefix}-net", *(f"{prefix}-{name}" for name in names)]
    try:
        try:
            _run("ip", "netns", "add", spaces[0])
        except subprocess.CalledProcessError as error:
            pytest.skip(
                f"no network namespaces ({error.stderr.strip()}): nothing was tried with several hosts"
            )
        _run("ip", "-n", spaces[0], "link", "add", "bridge", "type", "bridge")
        _run("ip", "-n", spaces[0], "link", "set", "bridge", "up")
        for host in made:
            host.plug_in()
        yield made
    finally:
        for space in spaces:
            subprocess.run(["ip", "netns", "del", space], capture_output=True, check=False, timeout=20)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=20)
