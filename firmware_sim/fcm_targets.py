"""What a push target looks like: enough to tell a retired one from one that never was."""

import re
import string
from random import Random
from typing import Final

from firmware_sim.fcm_delivery import DeviceTargetKind
from firmware_sim.fcm_validation import TargetKind

URL_SAFE: Final = string.ascii_letters + string.digits + "-_"
# A FID is 17 octets whose first four bits are 0111, in base64: 22 characters, the first in c..f.
FID: Final = re.compile(r"[cdef][A-Za-z0-9_-]{21}")
REGISTRATION_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{11,22}:APA91b[A-Za-z0-9_-]{100,200}")
TOKEN_TAIL_LENGTH: Final = 134


def mint_target(kind: DeviceTargetKind, chance: Random) -> str:
    """A target of the form that a handset's Firebase library would hand out."""
    fid = chance.choice("cdef") + "".join(chance.choices(URL_SAFE, k=21))
    if kind == "fid":
        return fid
    return f"{fid}:APA91b{''.join(chance.choices(URL_SAFE, k=TOKEN_TAIL_LENGTH))}"


def kinds_for(kind: TargetKind) -> tuple[DeviceTargetKind, ...]:
    """What a field of a message may name: while FCM moves to FIDs, `token` takes one too."""
    match kind:
        case "fid":
            return ("fid",)
        case "token":
            return ("token", "fid")
        case _:
            return ()


def is_plausible(kind: DeviceTargetKind, value: str) -> bool:
    """Whether Firebase could have minted it."""
    form = FID if kind == "fid" else REGISTRATION_TOKEN
    return form.fullmatch(value) is not None
