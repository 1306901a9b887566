"""The guestbook's web server. Its settings are listed in docs/images.md."""

import html
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

import psycopg2
import redis
from storage import VERSION, Storage
from websocket import accept_key, echo

PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Guestbook</title>
<h1>Guestbook</h1><p>Version {version}</p>
<form method="post" action="/entries"><input name="text" aria-label="Text" required>
<button>Sign</button></form><ul>{entries}</ul></html>
"""
OUTAGES = (psycopg2.Error, redis.RedisError)
MAX_BODY = 65536
migrated = threading.Event()
storage = Storage()


class Handler(BaseHTTPRequestHandler):
    """One request; an outage of the database or Redis is a 503 with its reason."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Route a GET."""
        path = self.path.partition("?")[0]
        routes = {
            "/": self.page,
            "/entries": lambda: self.answer(200, {"entries": storage.entries()}),
            "/healthz": lambda: self.answer(200, {"status": "up"}),
            "/readyz": self.readiness,
            "/metrics": self.metrics,
            "/version": lambda: self.answer(200, {"version": str(VERSION)}),
            "/ws": self.websocket,
        }
        self.guarded(routes.get(path, self.not_found))

    def do_POST(self) -> None:
        """Route a POST."""
        self.guarded(self.sign if self.path == "/entries" else self.not_found)

    def guarded(self, route: Any) -> None:
        """Run the route; say what is missing where a part is out."""
        try:
            route()
        except OUTAGES as error:
            self.answer(503, {"error": str(error).strip()})

    def answer(self, status: int, content: Any, kind: str = "application/json") -> None:
        """Send JSON, or text of another kind."""
        body = (json.dumps(content) if kind == "application/json" else content).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def not_found(self) -> None:
        """Say that there is nothing here."""
        self.answer(404, {"error": f"There is no {self.path}."})

    def page(self) -> None:
        """Show the entries to a person."""
        items = "".join(f"<li>{html.escape(entry['text'])}</li>" for entry in storage.entries())
        text = PAGE.format(version=VERSION, entries=items)
        self.answer(200, text, "text/html; charset=utf-8")

    def readiness(self) -> None:
        """Say 200 once the table is there and both stores answer."""
        if not migrated.is_set():
            self.answer(503, {"error": "The table is not there yet."})
            return
        storage.check()
        self.answer(200, {"status": "ready"})

    def metrics(self) -> None:
        """Show the counter to Prometheus."""
        text = (
            f"# TYPE guestbook_entries_total counter\nguestbook_entries_total {storage.count()}\n"
        )
        self.answer(200, text, "text/plain; version=0.0.4")

    def sign(self) -> None:
        """Add an entry from a form (then back to the page) or from JSON."""
        length = int(self.headers.get("Content-Length") or 0)
        if length > MAX_BODY:
            self.answer(413, {"error": f"An entry has at most {MAX_BODY} bytes."})
            return
        body = self.rfile.read(length).decode(errors="replace")
        is_json = self.headers.get_content_type() == "application/json"
        try:
            sent = json.loads(body) if is_json else {k: v[0] for k, v in parse_qs(body).items()}
            text, author = str(sent["text"]), str(sent.get("author", "anonymous"))
        except (ValueError, KeyError, TypeError, AttributeError):
            self.answer(400, {"error": "An entry needs a text."})
            return
        entry = storage.add(text, author)
        if is_json:
            self.answer(201, entry)
            return
        self.send_response(303)
        self.send_header("Location", "/")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def websocket(self) -> None:
        """Switch to a WebSocket that echoes."""
        key = self.headers.get("Sec-WebSocket-Key")
        if key is None:
            self.answer(426, {"error": "This is a WebSocket."})
            return
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept_key(key))
        self.end_headers()
        echo(self.rfile, self.wfile)
        self.close_connection = True


def migrate_until_done() -> None:
    """Make the table; the database may come up later than this process."""
    time.sleep(float(os.environ.get("STARTUP_DELAY") or 0))
    while not migrated.is_set():
        try:
            storage.migrate()
            migrated.set()
            print(f"guestbook {VERSION} is ready")
        except OUTAGES as error:
            print(f"waiting for the database: {str(error).strip()}")
            time.sleep(0.2)


def main() -> None:
    """Serve until SIGTERM."""
    if os.environ.get("FAIL_START") == "1":
        sys.exit("guestbook: refusing to start because FAIL_START=1")
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    threading.Thread(target=migrate_until_done, daemon=True).start()
    port = int(os.environ.get("PORT", "8000"))
    print(f"guestbook {VERSION} listens on port {port}")
    ThreadingHTTPServer(("0.0.0.0", port), Handler).serve_forever()


if __name__ == "__main__":
    main()
