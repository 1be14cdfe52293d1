"""Who this gateway is: its private key and what enrolment told it, kept beside each other."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.files import replace_file

KEY_FILE: Final = "gateway.key"  # 32 octets, the Ed25519 seed
IDENTITY_FILE: Final = "identity.json"


class IdentityError(Exception):
    """Identity files that cannot be used."""


class Enrolled(msgspec.Struct, frozen=True):
    """What the server answered to an enrolment; also the form of the file."""

    # The same characters as a keyid may have (config.http_signature).
    gateway_id: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]
    store_id: str
    tenant: str
    namespace: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{8}$")]


@dataclass(frozen=True, slots=True)
class Identity:
    """An enrolled gateway."""

    gateway_id: str
    store_id: str
    tenant: str
    namespace: bytes
    key: Ed25519PrivateKey

    @classmethod
    def of(cls, enrolled: Enrolled, key: Ed25519PrivateKey) -> "Identity":
        """The identity that an answer and a key make together."""
        return cls(
            enrolled.gateway_id,
            enrolled.store_id,
            enrolled.tenant,
            bytes.fromhex(enrolled.namespace),
            key,
        )


def load_identity(data_dir: Path) -> Identity | None:
    """The identity kept in `data_dir`, None before enrolment. Raises IdentityError."""
    path = data_dir / IDENTITY_FILE
    key = load_key(data_dir)
    try:
        enrolled = msgspec.json.decode(path.read_bytes(), type=Enrolled)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise IdentityError(f"{path} cannot be read: {error}") from error
    if key is None:
        raise IdentityError(f"{path} is there, its key {KEY_FILE} is not: enrol the gateway anew")
    return Identity.of(enrolled, key)


def save_identity(data_dir: Path, enrolled: Enrolled) -> None:
    """`enrolled` is on disk, also after a power cut."""
    replace_file(data_dir / IDENTITY_FILE, msgspec.json.encode(enrolled), durable=True)


def load_key(data_dir: Path) -> Ed25519PrivateKey | None:
    """The private key kept in `data_dir`. Raises IdentityError."""
    path = data_dir / KEY_FILE
    try:
        return Ed25519PrivateKey.from_private_bytes(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise IdentityError(f"{path} cannot be read: {error}") from error


def make_key(data_dir: Path) -> Ed25519PrivateKey:
    """A new private key, on disk before anybody is told of it."""
    key = Ed25519PrivateKey.generate()
    replace_file(data_dir / KEY_FILE, key.private_bytes_raw(), durable=True)
    return key
