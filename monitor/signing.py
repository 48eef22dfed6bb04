"""Signatures of what is posted to webhooks, so that a receiver knows whose it is, and that it is not played again.

Standard Webhooks 1.0 (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md), symmetric: receivers
have libraries for it in many languages. They refuse what is older than some minutes.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Final

from monitor.errors import ConfigError

PREFIX: Final = "whsec_"
BYTES: Final = range(24, 65)
"""How long a secret is."""


def key(secret: str) -> bytes:
    """The key of a secret. Raises ConfigError, which does not tell it, if it is none."""
    try:
        found = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        found = b""
    if len(found) not in BYTES:
        raise ConfigError("sinks: the webhook's secret is none: make one with: echo whsec_$(openssl rand -base64 32)")
    return found


def signed(name: str, at: float, body: bytes, secret: bytes) -> dict[str, str]:
    """The headers that sign a body under a name that is the same whenever it is repeated; `at` is the wall clock."""
    seconds = int(at)
    digest = hmac.digest(secret, b".".join((name.encode(), str(seconds).encode(), body)), "sha256")
    return {"webhook-id": name, "webhook-timestamp": str(seconds), "webhook-signature": f"v1,{base64.b64encode(digest).decode()}"}
