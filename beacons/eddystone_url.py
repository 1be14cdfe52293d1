"""The compressed URLs of Eddystone-URL.

Source: Eddystone protocol specification, eddystone-url/README.md, "URL Scheme Prefix" and
"Eddystone-URL HTTP URL encoding".
"""

from typing import Final

from beacons.frame import UnencodableFrame

_SCHEMES: Final = ("http://www.", "https://www.", "http://", "https://")
_EXPANSIONS: Final = (
    ".com/",
    ".org/",
    ".edu/",
    ".net/",
    ".info/",
    ".biz/",
    ".gov/",
    ".com",
    ".org",
    ".edu",
    ".net",
    ".info",
    ".biz",
    ".gov",
)
# What an advert has left: 31 octets less 3 of flags, 4 of the UUID list, 4 of the structure's own
# head, and frame type, power and scheme.
_MAX_OCTETS: Final = 17
# Code points that stand for themselves; below and above are controls, space and reserved ones.
_FIRST_PRINTED: Final = 0x21
_LAST_PRINTED: Final = 0x7E


def expand(scheme: int, octets: bytes) -> str | None:
    """The URL behind a scheme octet and the compressed rest; None when one is reserved."""
    if scheme >= len(_SCHEMES):
        return None
    parts = [_SCHEMES[scheme]]
    for octet in octets:
        if octet < len(_EXPANSIONS):
            parts.append(_EXPANSIONS[octet])
        elif _FIRST_PRINTED <= octet <= _LAST_PRINTED:
            parts.append(chr(octet))
        else:
            return None
    return "".join(parts)


def compress(url: str) -> bytes:
    """The scheme octet and the compressed rest, 1 to 17 octets.

    Scheme and host are lower-cased, the path is kept.
    Raises UnencodableFrame for another scheme, a character outside printed ASCII, or a URL that
    is too long for an advert.
    """
    lowered = _lower_case_host(url)
    # "http://www." before "http://": the longest prefix that fits saves most.
    prefixes = [prefix for prefix in _SCHEMES if lowered.startswith(prefix)]
    if not prefixes:
        raise UnencodableFrame("eddystone_url", "the URL begins with neither http:// nor https://")
    prefix = max(prefixes, key=len)
    rest = lowered[len(prefix) :]
    octets = bytearray()
    at = 0
    while at < len(rest):
        expansion = max((e for e in _EXPANSIONS if rest.startswith(e, at)), key=len, default=None)
        if expansion is not None:
            octets.append(_EXPANSIONS.index(expansion))
            at += len(expansion)
        elif _FIRST_PRINTED <= ord(rest[at]) <= _LAST_PRINTED:
            octets.append(ord(rest[at]))
            at += 1
        else:
            where = f"character {len(prefix) + at + 1}"
            raise UnencodableFrame("eddystone_url", f"{where} is outside printed ASCII")
    if not 1 <= len(octets) <= _MAX_OCTETS:
        problem = f"{len(octets)} octets after the scheme, outside 1..{_MAX_OCTETS}"
        raise UnencodableFrame("eddystone_url", problem)
    return bytes([_SCHEMES.index(prefix)]) + octets


def _lower_case_host(url: str) -> str:
    scheme, mark, rest = url.partition("://")
    end = min((at for at in map(rest.find, "/?#") if at >= 0), default=len(rest))
    # A user name before the host may distinguish case.
    user, at_sign, host = rest[:end].rpartition("@")
    return scheme.lower() + mark + user + at_sign + host.lower() + rest[end:]
