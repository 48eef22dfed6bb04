"""Signatures of webhooks, held against the specification's own library (standardwebhooks 1.1.0), which made the one below."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.errors import ConfigError
from monitor.signing import BYTES, key, signed

SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


def test_a_signature_is_the_one_that_the_library_makes() -> None:
    assert signed("0011aabb/3", 1790000000.9, '{"a": "ß"}'.encode(), key(SECRET)) == {
        "webhook-id": "0011aabb/3",
        "webhook-timestamp": "1790000000",
        "webhook-signature": "v1,nR0URWAm7Y5ljPtkMtK0bxT9OAnYOIt/ntt0BT0yJyQ=",
    }


@pytest.mark.parametrize(("name", "at", "body"), [("b", 1.0, b"x"), ("a", 2.0, b"x"), ("a", 1.0, b"y")])
def test_whatever_changes_changes_it(name: str, at: float, body: bytes) -> None:
    first = signed("a", 1.0, b"x", key(SECRET))["webhook-signature"]
    assert signed(name, at, body, key(SECRET))["webhook-signature"] != first
    assert signed("a", 1.0, b"x", bytes(32))["webhook-signature"] != first


@given(st.binary(min_size=BYTES.start, max_size=BYTES.stop - 1))
def test_a_secret_is_read_with_and_without_its_prefix(secret: bytes) -> None:
    text = base64.b64encode(secret).decode()
    assert key(text) == key(f"whsec_{text}") == secret


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_hunter2!", "aHVudGVyMg==", base64.b64encode(bytes(65)).decode()])
def test_a_secret_that_is_none_is_refused_and_not_told(secret: str) -> None:
    with pytest.raises(ConfigError, match="openssl") as caught:
        key(secret)
    assert "hunter2" not in str(caught.value)
