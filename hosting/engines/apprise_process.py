"""The process that sends one message through Apprise, and can do nothing else.

Apprise's plugins connect by themselves, each in its own way. So they run here, apart, where a hook
of the interpreter looks at every connection before it is made: to an address as it is dialled, not
to a name, so that nothing can change in between. No program is started, nothing is listened to, and
no file is opened but those of Python. Told what to do on standard input, as JSON:
``url``, ``title``, ``body``, ``never``, ``allowed``. Writes ``{"is_sent": …, "why": …}``.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

from hosting.engines.outward import Policy

_FORBIDDEN = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.fork",
    "os.forkpty",
    "pty.spawn",
    "socket.bind",
    "socket.sendto",
    "socket.sendmsg",
    "ctypes.dlopen",
)
_ROOTS = tuple(
    {str(Path(each).resolve()) for each in (sys.prefix, sys.base_prefix, *sys.path) if each}
)
_READABLE = (*_ROOTS, "/usr/share/zoneinfo", "/etc/ssl", "/usr/share/ca-certificates")


class Forbidden(OSError):
    """A plugin tried what it may not; ``requests`` takes it for a connection that failed."""


def guard(policy: Policy) -> list[str]:
    """From now on, for good. What was refused is appended to the list that is given back."""
    refused: list[str] = []

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event == "socket.connect":
            _check_address(args[1], policy, refused)
        elif event == "open":
            _check_file(args, refused)
        elif event in _FORBIDDEN:
            refused.append("It tried what a notification may not do.")
            raise Forbidden(event)

    sys.addaudithook(hook)
    return refused


def _check_address(address: Any, policy: Policy, refused: list[str]) -> None:
    host = address[0] if isinstance(address, tuple) and address else None
    if not isinstance(host, str) or not _is_literal(host) or policy.refuses(host):
        refused.append("It does not lead to a public address.")
        raise Forbidden("not a public address")


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _check_file(args: tuple[Any, ...], refused: list[str]) -> None:
    path, mode, flags = args
    if isinstance(path, int):
        return
    is_writing = bool(flags & (os.O_WRONLY | os.O_RDWR)) or any(c in (mode or "") for c in "wax+")
    name = os.path.realpath(os.fsdecode(path))
    is_ours = any(name == root or name.startswith(f"{root}/") for root in _READABLE)
    if is_writing or not is_ours:
        refused.append("It tried to open a file.")
        raise Forbidden(name)


def main() -> None:
    """Send, and say what came of it."""
    sys.dont_write_bytecode = True
    asked = json.load(sys.stdin)
    logging.disable(logging.CRITICAL)  # the URL is a secret, and Apprise's log has it
    import apprise

    apprise.Apprise.instantiate("json://localhost")  # loads the plugins, which try out the machine
    policy = Policy.of(never=tuple(asked["never"]), allowed=tuple(asked["allowed"]))
    refused = guard(policy)
    # One service: a text that is given to Apprise.add may list several, by any scheme.
    service = apprise.Apprise.instantiate(asked["url"])
    sender = apprise.Apprise()
    if service is None or not sender.add(service):
        why = refused[-1] if refused else "Apprise does not understand the URL."
        print(json.dumps({"is_sent": False, "why": why, "is_final": True}))  # noqa: T201
        return
    is_sent = bool(sender.notify(title=asked["title"], body=asked["body"]))
    why = "" if is_sent else (refused[-1] if refused else "The service did not take it.")
    print(json.dumps({"is_sent": is_sent, "why": why, "is_final": bool(refused)}))  # noqa: T201


if __name__ == "__main__":
    main()
