"""The whole nginx configuration from the sites, as a pure function.

One ``map`` from host name to upstream serves all sites; there is one server block for each distinct
body limit, as nginx takes no variable there. docs/edge.md has the figures behind this.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address

from hosting.engines.errors import GiveUp
from hosting.engines.nginx import directives
from hosting.engines.nginx import sites as check
from hosting.engines.nginx.sites import Settings, Site

_GENERATION = "# berth generation "
_GENERATION_LENGTH = 32
_HOLD_GRACE = 30  # seconds after which a holding process that says nothing is given up


def render(sites: Iterable[Site], settings: Settings) -> str:
    """The configuration that serves these sites, the same text for the same sites in any order.

    Its first line names its generation, a digest of the rest, which the running nginx tells on
    ``settings.socket``. Raises ``GiveUp`` when two sites share a host name, or when one would make
    the edge dial an address outside ``settings.upstream_networks``.
    """
    ordered = tuple(sorted(sites, key=lambda site: (site.instance, site.hostnames)))
    _refuse_shared_names(ordered)
    _refuse_foreign_upstreams(ordered, settings)
    body = "".join(
        (
            _head(ordered, settings),
            directives.MAPS,
            _site_maps(ordered),
            _trust(settings),
            _log(settings),
            directives.PROXY.format(connect=settings.connect_timeout, read=settings.read_timeout),
            _limit_zone(settings),
            directives.UPSTREAM.format(socket=settings.hold_socket),
            directives.UNKNOWN.format(listens=_listens(settings, " default_server")),
            directives.PAGES.format(directory=settings.directory),
            *_servers(ordered, settings),
        )
    )
    digest = hashlib.sha256((body + directives.STATUS).encode()).hexdigest()[:_GENERATION_LENGTH]
    status = directives.STATUS.format(socket=settings.socket, generation=digest)
    return f"{_GENERATION}{digest}\n{body}{status}"


def generation_of(text: str) -> str:
    """The generation that a rendered configuration will tell once it is live."""
    first, _, _ = text.partition("\n")
    generation = first.removeprefix(_GENERATION)
    if generation == first or len(generation) != _GENERATION_LENGTH or not generation.isalnum():
        raise GiveUp("the configuration does not begin with its generation")
    return generation


def _refuse_shared_names(sites: tuple[Site, ...]) -> None:
    owners: dict[str, str] = {}
    for site in sites:
        for name in site.hostnames:
            owner = owners.setdefault(name, site.instance)
            if owner != site.instance:
                raise GiveUp(f"{name} belongs to two instances: {owner} and {site.instance}")


def _refuse_foreign_upstreams(sites: tuple[Site, ...], settings: Settings) -> None:
    networks = [check.network(each) for each in settings.upstream_networks]
    for site in sites:
        address = IPv4Address(site.address)
        if not any(address in network for network in networks):
            raise GiveUp(
                f"the instance {site.instance} has the address {address}, which is outside"
                f" {', '.join(settings.upstream_networks)}"
            )


def _head(sites: tuple[Site, ...], settings: Settings) -> str:
    names = [name for site in sites for name in site.hostnames]
    return directives.HEAD.format(
        workers=settings.workers or "auto",
        directory=settings.directory,
        files=settings.worker_connections * 2 + 256,  # a proxied connection takes two
        connections=settings.worker_connections,
        drain=settings.drain_timeout,
        # Room for four times as many names, and for the longest with nginx's own 10 bytes and a
        # closing pointer: a hash that is too small is an error or a warning, never slow.
        hash_size=_power_of_two(max(2048, 4 * len(names))),
        bucket_size=_power_of_two(max(128, max(map(len, names), default=0) + 32)),
    )


def _power_of_two(least: int) -> int:
    return 1 << (least - 1).bit_length()


def _site_maps(sites: tuple[Site, ...]) -> str:
    # A site that is held looks like one that serves: a hold begins and ends without a reload.
    closed = tuple(site for site in sites if site.state not in ("serving", "holding"))
    return (
        _map("$berth_upstream", sites, lambda site: f"{site.address}:{site.port}")
        + _map("$berth_instance", sites, lambda site: site.instance)
        + _map("$berth_state", closed, lambda site: site.state)
        + _map("$berth_closed", (site for site in sites if site.closed), lambda site: site.closed)
        + directives.CLOSED
        + _map("$berth_used_up", (site for site in sites if site.used_up), _used_up)
        + directives.USED_UP
    )


def _used_up(site: Site) -> str:
    return f'"{" ".join(site.used_up)}"'


def _map(variable: str, sites: Iterable[Site], value: Callable[[Site], str]) -> str:
    lines = sorted(f"        {name} {value(site)};" for site in sites for name in site.hostnames)
    return "\n".join((f"\n    map $host {variable} {{", '        default "";', *lines, "    }\n"))


def _trust(settings: Settings) -> str:
    if not settings.trusted_proxies:
        return "\n    map $scheme $berth_scheme { default $scheme; }\n"
    froms = "".join(f"    set_real_ip_from {each};\n" for each in settings.trusted_proxies)
    trusted = " ".join(f"{each} 1;" for each in settings.trusted_proxies)
    return f"""
{froms}    real_ip_header X-Forwarded-For;
    real_ip_recursive on;
    geo $realip_remote_addr $berth_trusted {{ default 0; {trusted} }}
    map "$berth_trusted $http_x_forwarded_proto" $berth_scheme {{
        default $scheme;
        "1 http" http;
        "1 https" https;
    }}
"""


def _log(settings: Settings) -> str:
    if not settings.access_log:
        return directives.NO_LOG
    return directives.LOG.format(directory=settings.directory)


def _limit_zone(settings: Settings) -> str:
    if settings.rate_limit is None:
        return ""
    rate = settings.rate_limit.requests_per_second
    return (
        f"\n    limit_req_zone $binary_remote_addr zone=berth_clients:10m rate={rate}r/s;\n"
        "    limit_req_status 429;\n"
    )


def _listens(settings: Settings, suffix: str = "") -> str:
    return "\n".join(
        f"        listen {each.address}:{each.port}{suffix};" for each in settings.listens
    )


def _servers(sites: tuple[Site, ...], settings: Settings) -> Iterable[str]:
    burst = settings.rate_limit.burst if settings.rate_limit else 0
    limit = f"\n            limit_req zone=berth_clients burst={burst} nodelay;" if burst else ""
    for body in sorted({site.max_body_bytes for site in sites}):
        names = sorted(n for site in sites if site.max_body_bytes == body for n in site.hostnames)
        yield directives.SERVER.format(
            listens=_listens(settings),
            names="\n".join(f"        server_name {name};" for name in names),
            body=body,
            directory=settings.directory,
            limit=limit,
        )
        yield from _hold(settings, limit)
        yield directives.PAGES.format(directory=settings.directory)


def _hold(settings: Settings, limit: str) -> Iterable[str]:
    seconds = settings.hold_seconds + _HOLD_GRACE
    yield directives.HOLD.format(limit=limit)
    yield directives.ASK.format(kind="held", seconds=seconds, directory=settings.directory)
    yield directives.MISSED
    yield directives.ASK.format(kind="missed", seconds=seconds, directory=settings.directory)
    yield directives.AFTER_HOLD
