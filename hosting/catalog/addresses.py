"""Fixed addresses inside an instance's subnet, so that a restart moves nobody.

Of the instance's /27 the first /28 is the normal network, the second the internal one. In each, .0
names the network, .1 is the gateway, the web service comes first and the others follow in the order
of the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import AddressValueError, IPv4Network, NetmaskValueError

from hosting.catalog.errors import BuildError
from hosting.catalog.schema import App

INSTANCE_PREFIX = 27
NETWORK_PREFIX = 28
_FIRST_HOST = 2


def network_subnets(app: App, subnet: str) -> Mapping[str, IPv4Network]:
    """The subnet of each of the app's networks. Raises ``BuildError`` unless it is given a /27."""
    try:
        whole = IPv4Network(subnet)
    except (AddressValueError, NetmaskValueError, ValueError) as error:
        raise BuildError(f"{subnet} is no IPv4 subnet such as 10.83.0.0/27") from error
    if whole.prefixlen != INSTANCE_PREFIX:
        raise BuildError(f"{subnet} must be a /{INSTANCE_PREFIX}, one half a network")
    normal, internal = whole.subnets(new_prefix=NETWORK_PREFIX)
    return {name: internal if each.internal else normal for name, each in app.networks.items()}


def service_addresses(
    app: App, subnets: Mapping[str, IPv4Network]
) -> Mapping[tuple[str, str], str]:
    """Each service's address in each of its networks, by (service, network)."""
    web = app.berth.web.service
    order = [web, *(name for name in app.services if name != web)]
    addresses = {}
    for network, subnet in subnets.items():
        inside = [name for name in order if network in app.services[name].networks]
        for offset, name in enumerate(inside, start=_FIRST_HOST):
            addresses[name, network] = str(subnet[offset])
    return addresses
