"""A server that speaks what we use of Stripe's API: pages, refunds, disputes, idempotency keys."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import stripe


class Stripe:
    """Its state, which a test may change, and what it was asked."""

    def __init__(self) -> None:
        self.sessions: dict[str, dict[str, Any]] = {}
        self.refunds: dict[str, dict[str, Any]] = {}
        self.disputes: dict[str, dict[str, Any]] = {}
        self.by_key: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.is_away = 0  # or the status that it answers with
        self.declines = ""
        self.url = ""

    def answer(self, method: str, path: str, form: dict[str, str], key: str) -> tuple[int, Any]:
        """As Stripe would."""
        self.asked.append((method, path, form))
        if self.is_away:
            return self.is_away, {"error": {"type": "api_error", "message": "down"}}
        if self.declines:
            return 400, {"error": {"type": "invalid_request_error", "message": self.declines}}
        if key in self.by_key:
            return 200, self.by_key[key]
        return self._answer(method, path, form, key)

    def _answer(self, method: str, path: str, form: dict[str, str], key: str) -> tuple[int, Any]:
        match (method, path.split("/")[2:]):
            case ("POST", ["checkout", "sessions"]):
                made = self._session(form)
            case ("GET", ["checkout", "sessions", name]):
                return 200, self.sessions[name]
            case ("POST", ["refunds"]):
                made = self.give_back(form["payment_intent"], int(form["amount"]))
                made["metadata"] = {"berth_refund": form["metadata[berth_refund]"]}
            case ("GET", ["refunds"]):
                rows = self.refunds.values()
                mine = [r for r in rows if r["payment_intent"] == form["payment_intent"]]
                return 200, {"object": "list", "data": mine, "has_more": False, "url": path}
            case ("GET", ["disputes", name]):
                return 200, self.disputes[name]
            case _:
                return 404, {"error": {"type": "invalid_request_error", "message": path}}
        if key:
            self.by_key[key] = made
        return 200, made

    def _session(self, form: dict[str, str]) -> dict[str, Any]:
        name = f"cs_test_{len(self.sessions) + 1}"
        self.sessions[name] = {
            "id": name,
            "object": "checkout.session",
            "url": f"https://checkout.stripe.com/c/pay/{name}",
            "status": "open",
            "payment_status": "unpaid",
            "amount_total": int(form["line_items[0][price_data][unit_amount]"]),
            "currency": form["line_items[0][price_data][currency]"],
            "payment_intent": None,
        }
        return self.sessions[name]

    def pay(self, name: str = "cs_test_1", **more: Any) -> None:
        """The client pays."""
        intent = name.replace("cs_test", "pi")
        paid = {"status": "complete", "payment_status": "paid", "payment_intent": intent}
        self.sessions[name].update({**paid, **more})

    def give_back(self, payment: str, amount: int, status: str = "succeeded") -> dict[str, Any]:
        """A refund, asked for here or in Stripe's own dashboard."""
        name = f"re_{len(self.refunds) + 1}"
        self.refunds[name] = {
            "id": name,
            "object": "refund",
            "payment_intent": payment,
            "amount": amount,
            "currency": "eur",
            "status": status,
        }
        return self.refunds[name]

    def dispute(self, payment: str, amount: int, *moved: int) -> None:
        """A dispute, and what was moved for it."""
        self.disputes["dp_1"] = {
            "id": "dp_1",
            "object": "dispute",
            "payment_intent": payment,
            "amount": amount,
            "currency": "eur",
            "balance_transactions": [
                {"id": f"txn_{n}", "object": "balance_transaction", "amount": each}
                for n, each in enumerate(moved)
            ],
        }


@contextmanager
def serve() -> Iterator[Stripe]:
    """On a free port of this machine."""
    state = Stripe()

    class Handler(BaseHTTPRequestHandler):
        def _do(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            split = urlsplit(self.path)
            text = self.rfile.read(length).decode() if length else split.query
            form = {name: values[0] for name, values in parse_qs(text).items()}
            key = self.headers.get("Idempotency-Key") if self.command == "POST" else ""
            status, told = state.answer(self.command, split.path, form, key or "")
            body = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _do  # noqa: N815

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def event(kind: str, about: dict[str, Any], name: str = "evt_1") -> str:
    """A message as Stripe sends it."""
    return json.dumps({"id": name, "object": "event", "type": kind, "data": {"object": about}})


def signed(body: str, secret: str, at: int | None = None) -> str:
    """Its header."""
    return str(stripe.WebhookSignature.generate_signature_header(body, secret, at))
