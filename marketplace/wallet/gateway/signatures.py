"""Signatures over webhooks: HMAC-SHA256 over "time.body", in a header "t=time,v1=hex". Pure.

Stripe's form, which the built-in provider speaks too. Stripe's own library asks the clock itself and lets times in the
future pass, so it is only what the tests compare with.
"""

import hmac
import re
from collections.abc import Sequence
from datetime import datetime

from marketplace.wallet.gateway.errors import SignatureRefused

TOLERANCE_SECONDS = 300

_TIME = re.compile(r"[0-9]{1,12}")


def sign(body: bytes, secret: str, at: datetime) -> str:
    seconds = int(at.timestamp())
    return f"t={seconds},v1={_digest(body, secret, str(seconds))}"


def check_signature(body: bytes, header: str, secrets: Sequence[str], at: datetime) -> None:
    """Raises: SignatureRefused. Any of the secrets will do, so that one can be replaced by another."""
    parts = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    signatures = [value for name, _, value in parts if name == "v1"]
    if len(times) != 1 or not _TIME.fullmatch(times[0]) or not signatures:
        raise SignatureRefused("The signature header cannot be read.")
    if abs(at.timestamp() - int(times[0])) > TOLERANCE_SECONDS:
        raise SignatureRefused("The signature is too old, or from the future.")
    ours = [_digest(body, secret, times[0]).encode() for secret in secrets if secret]
    theirs = [signature.encode("utf-8", "replace") for signature in signatures]
    if not any(hmac.compare_digest(one, other) for one in ours for other in theirs):
        raise SignatureRefused("The signature does not fit the body.")


def _digest(body: bytes, secret: str, seconds: str) -> str:
    return hmac.digest(secret.encode(), seconds.encode() + b"." + body, "sha256").hex()
