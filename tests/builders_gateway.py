"""Webhooks as the built-in provider sends them, and as it never would."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.test import Client

from marketplace.wallet.gateway.built_in import payment_message, webhook_secret
from marketplace.wallet.gateway.signatures import sign
from marketplace.wallet.models import TopUp

ENDPOINT = "/api/payments/webhooks/test"


def body_of(top_up: TopUp, kind: str, at: datetime, **changes: Any) -> bytes:
    """A message about a top-up, with other content where a test wants it."""
    if "id" in changes:
        changes["id"] = UUID(str(changes["id"]))
    return msgspec.json.encode(msgspec.structs.replace(payment_message(top_up, kind, at), **changes))


def post_webhook(body: bytes, at: datetime, *, secret: str = "", signature: str | None = None) -> Any:
    header = sign(body, secret or webhook_secret(), at) if signature is None else signature
    return Client().post(
        ENDPOINT, body, content_type="application/json", headers={"Ownstream-Test-Signature": header} if header else {}
    )
