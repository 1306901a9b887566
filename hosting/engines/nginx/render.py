"""The whole nginx configuration from the sites, as a pure function.

One ``map`` from host name to upstream serves all sites; there is one server block for each distinct
body limit, as nginx takes no variable there. docs/edge.md has the figures behind this.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address

from hosting.engines.errors import GiveUp
from hosting.engines.nginx import sites as check
from hosting.engines.nginx.sites import Settings, Site

_GENERATION = "# berth generation "
_GENERATION_LENGTH = 32

# Below crit the error log quotes whole request lines with their query strings, where OAuth codes
# and webhook tokens travel; what an upstream did is in the access log, which leaves them out.
_HEAD = """
worker_processes {workers};
worker_rlimit_nofile {files};
worker_shutdown_timeout {drain}s;
pid "{directory}/nginx.pid";
error_log "{directory}/logs/error.log" crit;

events {{
    worker_connections {connections};
}}

http {{
    server_tokens off;
    default_type application/octet-stream;
    types {{ text/html html; }}
    charset utf-8;
    client_body_temp_path "{directory}/temp/body";
    proxy_temp_path "{directory}/temp/proxy";
    fastcgi_temp_path "{directory}/temp/fastcgi";
    uwsgi_temp_path "{directory}/temp/uwsgi";
    scgi_temp_path "{directory}/temp/scgi";

    client_header_timeout 15s;
    client_body_timeout 60s;
    send_timeout 60s;
    large_client_header_buffers 4 16k;
    map_hash_max_size {hash_size};
    map_hash_bucket_size {bucket_size};
    server_names_hash_max_size {hash_size};
    server_names_hash_bucket_size {bucket_size};
"""

# Only WebSockets are upgraded: passing any Upgrade header on would let a client speak h2c past the
# edge. The Host that instances see is the one that was routed by, with the port that was dialled.
_MAPS = """
    map $http_upgrade $berth_upgrade { default ""; ~*^websocket$ websocket; }
    map $http_upgrade $berth_connection { default close; ~*^websocket$ upgrade; }
    map $http_host $berth_port { default ""; "~(?<berth_dialled>:[0-9]+)$" $berth_dialled; }
    map $request_uri $berth_path { default ""; "~^(?<berth_no_query>[^?]*)" $berth_no_query; }
    map $request $berth_method { default ""; "~^(?<berth_first_word>[A-Z]+) " $berth_first_word; }
    map $status $berth_retry_after { default ""; 429 1; 502 10; 503 30; 504 10; }
"""

# An error page's request is a GET by then, so method and path come from the request as it arrived.
_LOG = """
    log_format berth escape=json '{{"time":"$time_iso8601","instance":"$berth_instance",'
        '"host":"$host","client":"$remote_addr","method":"$berth_method","path":"$berth_path",'
        '"status":$status,"bytes":$bytes_sent,"seconds":$request_time,'
        '"upstream":"$upstream_addr","upstream_status":"$upstream_status",'
        '"upstream_seconds":"$upstream_response_time","agent":"$http_user_agent"}}';
    access_log "{directory}/logs/access.log" berth;
"""

# X-Accel-Redirect is the holding process's word alone: an instance that could say it would have the
# edge dial what it likes.
_PROXY = """
    proxy_http_version 1.1;
    proxy_buffering off;
    proxy_redirect off;
    proxy_ignore_headers X-Accel-Redirect;
    proxy_connect_timeout {connect}s;
    proxy_read_timeout {read}s;
    proxy_send_timeout 60s;
    proxy_set_header Host $host$berth_port;
    proxy_set_header X-Forwarded-Host $host$berth_port;
    proxy_set_header X-Forwarded-Proto $berth_scheme;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-Port "";
    proxy_set_header X-Forwarded-Prefix "";
    proxy_set_header Forwarded "";
    proxy_set_header Proxy "";
    proxy_set_header Upgrade $berth_upgrade;
    proxy_set_header Connection $berth_connection;
"""

_PAGES = """
        location ^~ /.berth/page/ {{
            internal;
            alias "{directory}/pages/";
            client_max_body_size 0;
            ssi on;
            add_header Retry-After $berth_retry_after always;
            add_header Cache-Control no-store always;
            add_header Content-Security-Policy "default-src 'none'; style-src 'unsafe-inline'"
                always;
        }}
    }}
"""

_UNKNOWN = """
    server {{
{listens}
        server_name _;
        error_page 404 /.berth/page/unknown.html;
        location / {{ return 404; }}
"""

_SERVER = """
    server {{
{listens}
{names}
        client_max_body_size {body};
        recursive_error_pages on;
        error_page 413 /.berth/page/too-large.html;
        error_page 429 /.berth/page/too-many.html;
        error_page 502 504 = @berth_missed;
        error_page 503 /.berth/page/$berth_state.html;
        error_page 599 = @berth_hold;
        location / {{
            if ($berth_state) {{ return 503; }}
            if (-f "{directory}/held/$berth_instance") {{ return 599; }}{limit}
            proxy_pass http://$berth_upstream;
        }}
"""

_UPSTREAM = """
    upstream berth_hold {{ server "unix:{socket}"; }}
"""

# The holding process is told the instance and the request's size, and nothing that a client wrote.
# Its proxy_ignore_headers takes back what holds for instances: its X-Accel-Redirect is followed.
# The size goes in a header, as those are made after the body was read, and the URL before.
# A socket that is not there is crit to nginx, which would quote the request line; hence emerg.
_ASK = """
            error_log "{directory}/logs/error.log" emerg;
            proxy_pass http://berth_hold/{kind}/$berth_instance;
            proxy_method GET;
            proxy_pass_request_headers off;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header X-Berth-Size $request_length;
            proxy_ignore_headers X-Accel-Charset;
            proxy_read_timeout {seconds}s;
        }}
"""

_HOLD = """
        location @berth_hold {{
            error_page 413 /.berth/page/too-large.html;
            error_page 429 /.berth/page/too-many.html;
            error_page 502 504 =503 /.berth/page/starting.html;{limit}"""

# A request of which the instance got not one byte may be sent again without being done twice: one
# whose body took so long to arrive that a hold began meanwhile, say.
_MISSED = """
        location @berth_missed {
            error_page 502 504 598 = @berth_unreachable;
            set $berth_missed $upstream_status;
            if ($upstream_bytes_sent !~ "(^|[ :,])0$") { return 598; }"""

# `set` comes before the proxy forgets what the holding process answered.
_AFTER_HOLD = """
        location @berth_app {
            set $berth_released $upstream_http_x_berth_upstream;
            proxy_pass http://$berth_released;
        }
        location @berth_unreachable {
            error_page 502 504 /.berth/page/unreachable.html;
            if ($berth_missed ~ "504$") { return 504; }
            return 502;
        }
        location @berth_starting { error_page 503 /.berth/page/starting.html; return 503; }
        location @berth_stopped { error_page 503 /.berth/page/stopped.html; return 503; }
        location @berth_failed { error_page 503 /.berth/page/failed.html; return 503; }
"""
_HOLD_GRACE = 30  # seconds after which a holding process that says nothing is given up

_STATUS = """
    server {{
        listen "unix:{socket}";
        access_log off;
        location = /generation {{ default_type text/plain; return 200 "{generation}"; }}
        location / {{ return 404; }}
    }}
}}
"""


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
            _MAPS,
            _site_maps(ordered),
            _trust(settings),
            _LOG.format(directory=settings.directory) if settings.access_log else _NO_LOG,
            _PROXY.format(connect=settings.connect_timeout, read=settings.read_timeout),
            _limit_zone(settings),
            _UPSTREAM.format(socket=settings.hold_socket),
            _UNKNOWN.format(listens=_listens(settings, " default_server")),
            _PAGES.format(directory=settings.directory),
            *_servers(ordered, settings),
        )
    )
    digest = hashlib.sha256((body + _STATUS).encode()).hexdigest()[:_GENERATION_LENGTH]
    status = _STATUS.format(socket=settings.socket, generation=digest)
    return f"{_GENERATION}{digest}\n{body}{status}"


def generation_of(text: str) -> str:
    """The generation that a rendered configuration will tell once it is live."""
    first, _, _ = text.partition("\n")
    generation = first.removeprefix(_GENERATION)
    if generation == first or len(generation) != _GENERATION_LENGTH or not generation.isalnum():
        raise GiveUp("the configuration does not begin with its generation")
    return generation


_NO_LOG = "\n    access_log off;\n"


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
    return _HEAD.format(
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
    )


def _map(variable: str, sites: tuple[Site, ...], value: Callable[[Site], str]) -> str:
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
        yield _SERVER.format(
            listens=_listens(settings),
            names="\n".join(f"        server_name {name};" for name in names),
            body=body,
            directory=settings.directory,
            limit=limit,
        )
        yield from _hold(settings, limit)
        yield _PAGES.format(directory=settings.directory)


def _hold(settings: Settings, limit: str) -> Iterable[str]:
    seconds = settings.hold_seconds + _HOLD_GRACE
    yield _HOLD.format(limit=limit)
    yield _ASK.format(kind="held", seconds=seconds, directory=settings.directory)
    yield _MISSED
    yield _ASK.format(kind="missed", seconds=seconds, directory=settings.directory)
    yield _AFTER_HOLD
