"""How long a change takes, by number of sites: python tests/hosting/engines/nginx/measure_sites.py

Compares the configuration that Berth renders (one map) with one server block a site.
"""

from __future__ import annotations

import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hosting.engines.nginx import Listen, Nginx, Settings, Site, generation_of, render

CHANGES = 5


def site(number: int) -> Site:
    address = f"10.{64 + number // 65536}.{number // 256 % 256}.{number % 256}"
    names = (f"n8n.client-{number:06d}.berth.example",)
    return Site(f"instance-{number:06d}", names, address, 5678, "serving")


def one_block_a_site(sites: list[Site], settings: Settings) -> str:
    """The same routing with a server block for each site, for comparison alone."""
    whole = render(sites, settings)
    hosts = sorted(each.hostnames[0] for each in sites)
    names = "".join(f"        server_name {host};\n" for host in hosts)
    begin = whole.rindex("    server {", 0, whole.index(names))
    end = whole.index('    server {\n        listen "unix')
    template = whole[begin:end].replace(names, "        server_name {name};\n")
    blocks = "".join(template.replace("{name}", host) for host in hosts)
    return whole[:begin] + blocks + whole[end:]


def measure(label: str, count: int, make: Callable[[list[Site], Settings], str]) -> None:
    directory = Path(tempfile.mkdtemp(prefix="berth-measure-"))
    directory.chmod(0o755)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        listens = (Listen("127.0.0.1", probe.getsockname()[1]),)
    settings = Settings(directory=directory, listens=listens, workers=2)
    nginx = Nginx(directory, timeout_seconds=60)
    sites = [site(number) for number in range(count)]
    nginx.apply(make(sites, settings))
    process = subprocess.Popen(nginx.start_command())
    try:
        deadline = time.monotonic() + 30
        while nginx.live_generation() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        spent: list[float] = []
        for change in range(CHANGES):
            sites[change] = site(count + change)
            text = make(sites, settings)
            begun = time.perf_counter()
            nginx.apply(text)
            spent.append(time.perf_counter() - begun)
            assert nginx.live_generation() == generation_of(text)
        begun = time.perf_counter()
        render(sites, settings)
        rendering = time.perf_counter() - begun
        release = directory / "current.conf"
        begun = time.perf_counter()
        subprocess.run(
            ["/usr/sbin/nginx", "-t", "-q", "-p", directory, "-c", release], check=True, timeout=60
        )
        testing = time.perf_counter() - begun
        status = Path(f"/proc/{process.pid}/status").read_text()
        resident = int(status.partition("VmRSS:")[2].split()[0]) // 1024
        print(
            f"{label:>8} {count:6} sites: {len(text) // 1024:6} KiB, render {rendering:.3f} s,"
            f" nginx -t {testing:.3f} s, apply until live {statistics.median(spent):.3f} s"
            f" (worst {max(spent):.3f}), master {resident} MiB",
            flush=True,
        )
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(directory)


if __name__ == "__main__":
    for number in [int(each) for each in sys.argv[1:]] or [
        100,
        1000,
        5000,
    ]:
        measure("map", number, render)
        measure("blocks", number, one_block_a_site)
