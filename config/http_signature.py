"""Signed HTTP requests: what a gateway puts on each, and what the API checks.

One profile of RFC 9421: Ed25519 over `@method`, `@path` and `content-digest` (RFC 9530, sha-256),
with `created` and `keyid`. Anything else is refused, so there is nothing to negotiate.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

LABEL: Final = "corsia"
COMPONENTS: Final = '("@method" "@path" "content-digest")'
_INPUT: Final = re.compile(
    re.escape(f"{LABEL}={COMPONENTS}")
    + r';created=(?P<created>\d{1,12});keyid="(?P<keyid>[A-Za-z0-9_.-]{1,64})";alg="ed25519"',
    re.ASCII,
)
_VALUE: Final = re.compile(re.escape(LABEL) + r"=:(?P<value>[A-Za-z0-9+/]{86}==):")


class SignatureError(Exception):
    """A request that is not signed in our profile, or whose signature does not fit it."""


@dataclass(frozen=True, slots=True)
class SignatureInput:
    """What a request says of its own signature, before it is checked."""

    keyid: str
    created_s: int  # unix seconds, the signer's clock
    value: bytes


def signed_headers(
    key: Ed25519PrivateKey, keyid: str, method: str, path: str, body: bytes, created_s: int
) -> dict[str, str]:
    """The three headers that sign a request. path: absolute, without the query."""
    digest = _content_digest(body)
    params = _params(keyid, created_s)
    value = key.sign(_signature_base(method, path, digest, params))
    return {
        "Content-Digest": digest,
        "Signature-Input": f"{LABEL}={params}",
        "Signature": f"{LABEL}=:{base64.b64encode(value).decode()}:",
    }


def signature_input(headers: Mapping[str, str]) -> SignatureInput:
    """Who says they signed, and when. Raises SignatureError when it is not our profile."""
    said = _INPUT.fullmatch(headers.get("Signature-Input", ""))
    value = _VALUE.fullmatch(headers.get("Signature", ""))
    if said is None or value is None:
        raise SignatureError("the request is not signed with Ed25519 over method, path and digest")
    return SignatureInput(said["keyid"], int(said["created"]), base64.b64decode(value["value"]))


def check_signature(
    key: Ed25519PublicKey,
    said: SignatureInput,
    headers: Mapping[str, str],
    method: str,
    path: str,
    body: bytes,
) -> None:
    """Nothing, when `key` signed exactly this request. Raises SignatureError otherwise."""
    digest = _content_digest(body)
    if headers.get("Content-Digest") != digest:
        raise SignatureError("the content digest does not fit the body")
    base = _signature_base(method, path, digest, _params(said.keyid, said.created_s))
    try:
        key.verify(said.value, base)
    except InvalidSignature as error:
        raise SignatureError("the signature does not fit the request") from error


def _content_digest(body: bytes) -> str:
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def _params(keyid: str, created_s: int) -> str:
    return f'{COMPONENTS};created={created_s};keyid="{keyid}";alg="ed25519"'


def _signature_base(method: str, path: str, digest: str, params: str) -> bytes:
    return (
        f'"@method": {method.upper()}\n"@path": {path}\n"content-digest": {digest}\n'
        f'"@signature-params": {params}'
    ).encode()
