"""Which addresses a client may have Berth connect to: the public ones, and what is allowed besides.

A name is resolved once, by whoever connects, and the very address that was looked at is dialled:
between looking and dialling nothing can change. Where one of a name's addresses is refused, the
name is.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import dataclass, field

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
# Special, though not every Python says so: IETF's own, and relays of old tunnels.
_SPECIAL = (ipaddress.IPv4Network("192.0.0.0/24"), ipaddress.IPv4Network("192.88.99.0/24"))
_COMPATIBLE = ipaddress.IPv6Network("::/96")  # IPv4 in the last four bytes, as of long ago


class Refused(Exception):
    """Nothing is sent there; one sentence."""


class Unresolved(Exception):
    """The name leads nowhere, now."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What is refused whatever else is said, and which private networks are allowed."""

    never: tuple[Network, ...] = ()
    allowed: tuple[Network, ...] = field(default=())

    @classmethod
    def of(cls, *, never: tuple[str, ...], allowed: tuple[str, ...]) -> Policy:
        """From networks in CIDR notation. ``ValueError`` where one is none."""
        return cls(
            never=tuple(ipaddress.ip_network(each) for each in never),
            allowed=tuple(ipaddress.ip_network(each) for each in allowed),
        )

    def refuses(self, text: str) -> bool:
        """Whether nothing may be sent to that address. What is no address is refused."""
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return True
        inner = _inner(address)
        found = (address, inner) if inner is not None else (address,)
        if any(_within(each, self.never) for each in found):
            return True
        if inner is not None and address.version != inner.version and not _is_mapped(address):
            return True  # a tunnel or a translation: nobody's webhook is there
        plain = inner or address
        return not (_is_public(plain) or _within(plain, self.allowed))

    def check_host(self, host: str) -> None:
        """Refuse a host that is written as an address, or is this machine by name, at once."""
        name = host.strip("[]").rstrip(".").lower()
        if name == "localhost" or name.endswith((".localhost", ".local", ".internal")):
            raise Refused(f"“{host}” is not on the internet.")
        address = _written(name)
        if address and self.refuses(address):
            raise Refused(f"“{host}” is not a public address.")

    async def resolve(self, host: str, port: int) -> str:
        """The address to dial. ``Refused`` where any of the name's is not for us to dial."""
        try:
            found = await asyncio.get_running_loop().getaddrinfo(
                host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
            )
        except (OSError, UnicodeError) as error:
            raise Unresolved(f"{host} can't be found.") from error
        addresses = [str(sockaddr[0]) for *_, sockaddr in found]
        if not addresses:
            raise Unresolved(f"{host} can't be found.")
        if any(self.refuses(each) for each in addresses):
            raise Refused(f"{host} does not lead to a public address.")
        return addresses[0]


def _written(name: str) -> str:
    """The address that a host is, also in IPv4's short forms (2130706433); empty for a name."""
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return socket.inet_ntoa(socket.inet_aton(name))
    except OSError:
        return ""


def _inner(address: Address) -> Address | None:
    """The IPv4 address that an IPv6 one carries."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if any(address in each for each in (*_NAT64, _COMPATIBLE)):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def _is_mapped(address: Address) -> bool:
    return isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and (
        address.scope_id is not None or address.is_site_local  # fec0::/10, private as of long ago
    ):
        return False
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not address.is_unspecified
        and not _within(address, _SPECIAL)
    )


def _within(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address.version == each.version and address in each for each in networks)
