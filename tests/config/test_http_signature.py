"""Signed requests: a vector of RFC 9421's construction, and every way to tamper."""

import base64
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from config.http_signature import SignatureError, check_signature, signature_input, signed_headers

# RFC 9421, appendix B.1.4: test-key-ed25519. That the octets are right is shown by the RFC's own
# signature in the first test.
RFC_KEY = Ed25519PrivateKey.from_private_bytes(
    bytes.fromhex("9f8362f87a484a954e6e740c5b4c0e84229139a20aa8ab56ff66586f6a7d29c5")
)
BODY = b'{"hello": "world"}'
PATH = "/v1/gateways/gw-1/sightings"
CREATED_S = 1_618_884_473
# RFC 9530, appendix B: the digest of this body.
DIGEST = "sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:"
PARAMS = '("@method" "@path" "content-digest");created=1618884473;keyid="gw-1";alg="ed25519"'
# RFC 9421, section 2.5, written out by hand: one line a component, then the parameters.
BASE = (
    '"@method": POST\n'
    '"@path": /v1/gateways/gw-1/sightings\n'
    '"content-digest": sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:\n'
    '"@signature-params": ("@method" "@path" "content-digest")'
    ';created=1618884473;keyid="gw-1";alg="ed25519"'
)
VALUE = "G98nUbTGP6KPuI2cuzLXNk2lpetUJsJrt6Oip9rgAPEosyEAX0UFfns+Qe3SHVwiqQRsobKdh0dU3bymDXpDDw=="
SIGNED = {
    "Content-Digest": DIGEST,
    "Signature-Input": f"corsia={PARAMS}",
    "Signature": f"corsia=:{VALUE}:",
}


def test_the_key_of_the_rfc_is_its_key() -> None:
    """RFC 9421, appendix B.2.6: the base and the signature as printed there."""
    base = (
        '"date": Tue, 20 Apr 2021 02:07:55 GMT\n"@method": POST\n"@path": /foo\n'
        '"@authority": example.com\n"content-type": application/json\n"content-length": 18\n'
        '"@signature-params": ("date" "@method" "@path" "@authority" "content-type" '
        '"content-length");created=1618884473;keyid="test-key-ed25519"'
    )
    printed = (
        "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
    )
    assert base64.b64encode(RFC_KEY.sign(base.encode())).decode() == printed


def test_the_vector_signs_the_base_written_by_hand() -> None:
    assert base64.b64encode(RFC_KEY.sign(BASE.encode())).decode() == VALUE


def test_a_request_is_signed_as_the_vector() -> None:
    assert signed_headers(RFC_KEY, "gw-1", "post", PATH, BODY, CREATED_S) == SIGNED


def test_the_vector_is_accepted() -> None:
    said = signature_input(SIGNED)

    assert (said.keyid, said.created_s) == ("gw-1", CREATED_S)
    check_signature(RFC_KEY.public_key(), said, SIGNED, "POST", PATH, BODY)


def _check(
    headers: dict[str, str] = SIGNED, method: str = "POST", path: str = PATH, body: bytes = BODY
) -> None:
    check_signature(RFC_KEY.public_key(), signature_input(headers), headers, method, path, body)


OTHER_DIGEST = "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"  # of no octets


@pytest.mark.parametrize(
    "tampered",
    [
        lambda: _check(method="PUT"),
        lambda: _check(path="/v1/gateways/gw-2/sightings"),
        lambda: _check(path=PATH + "/"),
        lambda: _check(body=BODY + b" "),
        lambda: _check(body=b""),
        lambda: _check({**SIGNED, "Content-Digest": OTHER_DIGEST}),
        lambda: _check({**SIGNED, "Content-Digest": OTHER_DIGEST}, body=b""),
        lambda: _check({**SIGNED, "Content-Digest": "sha-256=:é:"}),
        lambda: _check({k: v for k, v in SIGNED.items() if k != "Content-Digest"}),
        lambda: _check(
            {**SIGNED, "Signature-Input": f"corsia={PARAMS.replace('4473', '4474')}"}
        ),
        lambda: _check({**SIGNED, "Signature-Input": f"corsia={PARAMS.replace('gw-1', 'gw-2')}"}),
        lambda: _check({**SIGNED, "Signature": f"corsia=:H{VALUE[1:]}:"}),
    ],
)  # fmt: skip
def test_tampering_with_any_part_is_refused(tampered: Callable[[], None]) -> None:
    with pytest.raises(SignatureError):
        tampered()


def test_another_gateways_key_is_refused() -> None:
    other = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key()

    with pytest.raises(SignatureError, match="the signature does not fit the request"):
        check_signature(other, signature_input(SIGNED), SIGNED, "POST", PATH, BODY)


@pytest.mark.parametrize(
    "said",
    [
        "",
        f"sig1={PARAMS}",
        f"corsia={PARAMS}, sig1={PARAMS}",
        f"corsia={PARAMS} ",
        'corsia=("@method" "@path");created=1618884473;keyid="gw-1";alg="ed25519"',
        'corsia=("@path" "@method" "content-digest");created=1618884473;keyid="gw-1";alg="ed25519"',
        'corsia=("@method" "@path" "content-digest");keyid="gw-1";alg="ed25519"',
        f"corsia={PARAMS.replace('ed25519', 'hmac-sha256')}",
        f"corsia={PARAMS.replace('gw-1', '')}",
        f"corsia={PARAMS.replace('gw-1', 'g w')}",
        f"corsia={PARAMS.replace('gw-1', 'g' * 65)}",
        f"corsia={PARAMS.replace('1618884473', '-1')}",
        f"corsia={PARAMS.replace('1618884473', '1618884473.5')}",
        f"corsia={PARAMS.replace('1618884473', '١٦١٨٨٨٤٤٧٣')}",
        f"corsia={PARAMS};expires=1618884999",
    ],
)
def test_any_other_profile_is_refused(said: str) -> None:
    with pytest.raises(SignatureError, match="not signed with Ed25519"):
        signature_input({**SIGNED, "Signature-Input": said})


@pytest.mark.parametrize(
    "value", ["", "corsia=::", f"corsia={VALUE}", f"sig1=:{VALUE}:", f"corsia=:{VALUE[4:]}:"]
)
def test_a_signature_of_another_form_is_refused(value: str) -> None:
    with pytest.raises(SignatureError, match="not signed with Ed25519"):
        signature_input({**SIGNED, "Signature": value})


def test_an_unsigned_request_is_refused() -> None:
    with pytest.raises(SignatureError):
        signature_input({})
