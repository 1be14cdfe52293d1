"""What every frame format shares: its errors, and the checks that encoders make."""


class FrameError(Exception):
    """Base of the errors of this package's byte formats."""


class MalformedFrame(FrameError):
    """Bytes that announce a frame of ours and break its format."""

    def __init__(self, kind: str, problem: str) -> None:
        super().__init__(f"malformed {kind}: {problem}")
        self.kind = kind
        self.problem = problem


class MalformedEvent(FrameError):
    """An event or packet that is not whole, or is another kind than was asked for."""

    def __init__(self, kind: str, octet: int, problem: str) -> None:
        """octet: where reading stopped, counted from 0."""
        super().__init__(f"{kind}: {problem}, at octet {octet}")
        self.kind = kind
        self.octet = octet
        self.problem = problem


class UnencodableFrame(FrameError):
    """A value that its format cannot carry."""

    def __init__(self, kind: str, problem: str) -> None:
        super().__init__(f"cannot encode {kind}: {problem}")
        self.kind = kind
        self.problem = problem


def check_range(kind: str, field: str, value: int, low: int, high: int) -> None:
    """Raises UnencodableFrame unless low <= value <= high."""
    if not low <= value <= high:
        raise UnencodableFrame(kind, f"{field} is {value}, outside {low}..{high}")


def check_octets(kind: str, field: str, value: bytes, count: int) -> None:
    """Raises UnencodableFrame unless the value has exactly `count` octets."""
    if len(value) != count:
        raise UnencodableFrame(kind, f"{field} has {len(value)} octets, not {count}")
