"""What a hold costs: PYTHONPATH=. python tests/hosting/engines/nginx/measure_holding.py

First the time from the end of a hold to the answers of 1 and of 500 held requests, then what the
look for a hold costs a request that is not held.
"""

from __future__ import annotations

import asyncio
import http.client
import shutil
import socket
import statistics
import subprocess
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

from hosting.engines.nginx import Holder, Holds, Limits, Listen, Nginx, Settings, Site, render

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
ROUNDS, MANY, PLAIN = 20, 500, 3000


class App:
    """Answers everything at once, and is no slower than it must be."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(4096):
            writer.write(ANSWER)
            await writer.drain()
        writer.close()


async def side(directory: Path, ports: list[int], ready: threading.Event) -> None:
    """The app and the holding process."""
    app = await asyncio.start_server(App().serve, "127.0.0.1", 0, backlog=1024)
    ports.append(app.sockets[0].getsockname()[1])
    ready.set()
    await Holder(directory, Limits()).run(asyncio.Event())


def ask(port: int) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("POST", "/", b"x" * 1000, {"Host": "n8n.acme.example"})
    return connection


def held(directory: Path, port: int, serving: Site, number: int) -> list[float]:
    """Seconds from the end of the hold to each answer."""
    holds = Holds(directory)
    away = replace(serving, state="holding")
    holds.begin([away])
    clients = [ask(port) for _ in range(number)]
    time.sleep(0.5 if number == 1 else 3)
    began = time.perf_counter()
    holds.end([serving])
    spent = []
    for client in clients:
        assert client.getresponse().status == 200
        spent.append(time.perf_counter() - began)
        client.close()
    return spent


def plain(port: int) -> float:
    """Microseconds a request, one after the other."""
    began = time.perf_counter()
    for _ in range(PLAIN):
        client = ask(port)
        assert client.getresponse().status == 200
        client.close()
    return (time.perf_counter() - began) / PLAIN * 1e6


def main() -> None:
    directory = Path(tempfile.mkdtemp(prefix="berth-measure-"))
    directory.chmod(0o755)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    ports: list[int] = []
    ready = threading.Event()
    threading.Thread(target=lambda: asyncio.run(side(directory, ports, ready)), daemon=True).start()
    ready.wait(20)
    settings = Settings(directory=directory, listens=(Listen("127.0.0.1", port),), workers=2)
    serving = Site("acme", ("n8n.acme.example",), "127.0.0.1", ports[0], "serving")
    nginx = Nginx(directory)
    text = render([serving], settings)
    nginx.apply(text)
    process = subprocess.Popen(nginx.start_command())
    try:
        while nginx.live_generation() is None:
            time.sleep(0.05)
        one = [held(directory, port, serving, 1)[0] for _ in range(ROUNDS)]
        print(f"1 held: {statistics.median(one):.3f} s, worst {max(one):.3f} s")
        many = held(directory, port, serving, MANY)
        print(f"{MANY} held: median {statistics.median(many):.2f} s, last {max(many):.2f} s")
        # Without the look; the first line is the generation, and any other will do.
        without = "\n".join(line for line in text.split("\n") if "if (-f" not in line)
        for label, each in (("with", text), ("without", without)) * 3:
            nginx.apply(each)
            print(f"{label:>8} the look: {plain(port):.0f} us a request")
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
