"""Encrypted telemetry of Eddystone-EID beacons, both ways.

Source: Eddystone protocol specification, eddystone-tlm/tlm-encrypted.md.
"""

from beacons import eax, eddystone
from beacons.eddystone import EddystoneEtlm, EddystoneTlm
from beacons.eddystone_eid import start_of_window
from beacons.frame import check_octets


def decrypt(
    frame: EddystoneEtlm, identity_key: bytes, exponent: int, counter: int
) -> EddystoneTlm | None:
    """The telemetry; None when the key or the window is another, or an octet was changed.

    identity_key, exponent: as the beacon was registered. counter: its clock in seconds.
    Two octets of proof mean that one forgery in 65,536 passes.
    Raises UnencodableFrame for an exponent or a counter that no beacon has.
    """
    nonce = _nonce(exponent, counter, frame.salt)
    plaintext = eax.decrypt(identity_key, nonce, b"", frame.ciphertext, frame.mic)
    return None if plaintext is None else eddystone.telemetry(plaintext)


def encrypt(
    frame: EddystoneTlm, identity_key: bytes, exponent: int, counter: int, salt: bytes
) -> EddystoneEtlm:
    """The frame that hides the telemetry. salt: 2 octets, new for each frame of a window.

    Raises UnencodableFrame.
    """
    check_octets("eddystone_etlm", "salt", salt, 2)
    nonce = _nonce(exponent, counter, salt)
    plaintext = eddystone.telemetry_octets(frame)
    ciphertext, tag = eax.encrypt(identity_key, nonce, b"", plaintext)
    return EddystoneEtlm(ciphertext, salt, tag[:2])


def _nonce(exponent: int, counter: int, salt: bytes) -> bytes:
    return start_of_window(exponent, counter).to_bytes(4) + salt
