"""A stand-in for Stripe: an HTTP server that answers the calls that we make, keeps idempotency keys, and can refuse."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
from django.test import Client

from marketplace.wallet.gateway.signatures import sign

WEBHOOK_SECRET = "whsec_of_the_tests"
ENDPOINT = "/api/payments/webhooks/stripe"


@dataclass
class FakeStripe:
    """made: what was made by each idempotency key; asked: with which parameters. failures: status and code of the next
    answers to a path.

    loses: paths of which the answer is lost on the way, after the thing was made. holds: paths of which the same
    happens, but not before the test sets the event.
    """

    address: str = ""
    made: dict[str, dict[str, Any]] = field(default_factory=dict)
    asked: dict[str, dict[str, str]] = field(default_factory=dict)
    calls: list[tuple[str, str, dict[str, str], str]] = field(default_factory=list)
    failures: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    loses: set[str] = field(default_factory=set)
    holds: dict[str, threading.Event] = field(default_factory=dict)
    payouts_enabled: bool = True
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [one for one in self.made.values() if one["object"] == kind]

    def answer(self, method: str, path: str, form: dict[str, str], headers: Any) -> tuple[int, dict[str, Any]]:
        with self.lock:
            self.calls.append((method, path, form, headers.get("Stripe-Account") or ""))
            if self.failures.get(path):
                status, code = self.failures[path].pop(0)
                kind = "api_error" if status >= 500 else "invalid_request_error"
                return status, {"error": {"type": kind, "code": code, "message": code}}
            key = headers.get("Idempotency-Key", "")
            if method == "POST" and self.asked.setdefault(key or str(len(self.calls)), form) != form:
                return 400, {"error": {"type": "idempotency_error", "message": "Keys are for the same parameters."}}
            if method == "POST" and key in self.made:
                return 200, self.made[key]
            found = self._make(method, path, form, key)
            if method == "POST" and key:
                self.made[key] = found
            return 200, found

    def _make(self, method: str, path: str, form: dict[str, str], key: str) -> dict[str, Any]:
        number = f"{len(self.made) + 1:04d}"
        reference = {"reference": form.get("metadata[reference]", "")}
        amount = int(form.get("amount", form.get("line_items[0][price_data][unit_amount]", "0")))
        if path == "/v1/checkout/sessions":
            return {
                "id": f"cs_test_{number}",
                "object": "checkout.session",
                "url": f"{self.address}/pay/cs_test_{number}",
                "client_reference_id": form["client_reference_id"],
                "amount_total": amount,
                "currency": form["line_items[0][price_data][currency]"],
                "payment_intent": f"pi_{number}",
                "payment_status": "unpaid",
                "success_url": form["success_url"],
                "metadata": reference,
                "customer_details": {"email": "ben@example.test", "name": "Ben"},
            }
        if path == "/v1/accounts":
            return {"id": f"acct_{number}", "object": "account", "payouts_enabled": False}
        if path.startswith("/v1/accounts/"):
            return {"id": path.rsplit("/", 1)[1], "object": "account", "payouts_enabled": self.payouts_enabled}
        if path == "/v1/account_links":
            return {"object": "account_link", "url": f"{self.address}/onboarding/{form['account']}"}
        if path == "/v1/transfers" and method == "POST":
            group = {"transfer_group": form["transfer_group"], "destination": form["destination"], "reversed": False}
            return {"id": f"tr_{number}", "object": "transfer", "amount": amount, "metadata": reference, **group}
        if path.endswith("/reversals"):
            for transfer in self.of("transfer"):
                transfer["reversed"] = transfer["reversed"] or transfer["id"] in path
            return {"id": f"trr_{number}", "object": "transfer_reversal", "metadata": reference}
        if path == "/v1/payouts" and method == "POST":
            return {
                "id": f"po_{number}",
                "object": "payout",
                "amount": amount,
                "currency": form["currency"],
                "metadata": reference,
            }
        if path == "/v1/refunds" and method == "POST":
            paid = {"payment_intent": form["payment_intent"], "currency": "eur", "status": "pending"}
            return {"id": f"re_{number}", "object": "refund", "amount": amount, "metadata": reference, **paid}
        kinds = {"/v1/transfers": "transfer", "/v1/payouts": "payout", "/v1/refunds": "refund", "/v1/events": "event"}
        if path in kinds:
            rows = self.of(kinds[path])
            if "payment_intent" in form:
                rows = [row for row in rows if row["payment_intent"] == form["payment_intent"]]
            if "transfer_group" in form:
                rows = [row for row in rows if row["transfer_group"] == form["transfer_group"]]
            return {"object": "list", "data": rows, "has_more": False, "url": path}
        raise KeyError(path)


def event_of(kind: str, about: dict[str, Any], at: datetime, **changes: Any) -> dict[str, Any]:
    name = f"evt_{kind}_{about['id']}"
    return {
        "id": name,
        "object": "event",
        "type": kind,
        "created": int(at.timestamp()),
        "data": {"object": about},
        **changes,
    }


def post_event(event: dict[str, Any], at: datetime, secret: str = WEBHOOK_SECRET) -> Any:
    body = orjson.dumps(event)
    headers = {"Stripe-Signature": sign(body, secret, at)}
    return Client().post(ENDPOINT, body, content_type="application/json", headers=headers)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def _answer(self, method: str) -> None:
        parts = urlsplit(self.path)
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        fake = self.server.fake
        if parts.path.startswith("/pay/"):
            session = next(one for one in fake.of("checkout.session") if one["url"].endswith(parts.path))
            page = f"<title>Pay</title><h1>Pay</h1><a href='{session['success_url']}'>Pay {session['amount_total']}</a>"
            return self._send(200, page.encode(), "text/html")
        status, found = fake.answer(method, parts.path, dict(parse_qsl(text or parts.query)), self.headers)
        is_held = method == "POST" and parts.path in fake.holds
        if is_held:
            fake.holds[parts.path].wait(30)
        if is_held or parts.path in fake.loses:
            self.close_connection = True
            return None
        return self._send(status, json.dumps(found).encode(), "application/json")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")

    def log_message(self, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    fake: FakeStripe


@contextmanager
def running_fake() -> Iterator[FakeStripe]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.fake = FakeStripe(address=f"http://127.0.0.1:{server.server_address[1]}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.fake
    finally:
        server.shutdown()
        server.server_close()
