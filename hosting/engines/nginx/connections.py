"""What this machine, and so the edge on it, has open to an instance: one connection a request."""

from __future__ import annotations

import sys
from ipaddress import IPv4Address
from pathlib import Path

_UNDER_WAY = ("01", "02")  # ESTABLISHED and SYN_SENT, in Linux's tcp_states.h


def open_connections(address: str, port: int, *, table: Path = Path("/proc/net/tcp")) -> int:
    """How many connections of this machine lead to that address and port, or are on their way."""
    packed = int.from_bytes(IPv4Address(address).packed, sys.byteorder)
    remote = f"{packed:08X}:{port:04X}"
    rows = (line.split() for line in table.read_text().splitlines()[1:])
    return sum(row[2] == remote and row[3] in _UNDER_WAY for row in rows)
