"""Reliability: of what was said with so much confidence, how much was so.

Source: Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", 2017.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.store_score import Claim

BINS: Final = 10
BAR: Final = 40  # characters for 1.0
_SVG_SIDE: Final = 320
_SVG_MARGIN: Final = 44


@dataclass(frozen=True, slots=True)
class Bin:
    """The claims between two degrees of confidence. said: their mean; right: share that was so."""

    n: int
    said: float
    right: float


def bins(claims: Sequence[Claim]) -> list[Bin | None]:
    """BINS of equal width over 0 to 1; None where nothing was said."""
    sorted_in: list[list[Claim]] = [[] for _ in range(BINS)]
    for claim in claims:
        sorted_in[min(int(claim.confidence * BINS), BINS - 1)].append(claim)
    return [
        Bin(
            len(own),
            sum(claim.confidence for claim in own) / len(own),
            sum(claim.is_right for claim in own) / len(own),
        )
        if own
        else None
        for own in sorted_in
    ]


def expected_error(claims: Sequence[Claim]) -> float | None:
    """ECE: the mean distance of said and right over all claims; None without any."""
    if not claims:
        return None
    return sum(abs(one.said - one.right) * one.n for one in bins(claims) if one) / len(claims)


def bars(claims: Sequence[Claim]) -> str:
    """The curve in lines of text: `#` is the share that was right, `|` what was said."""
    lines = ["confidence   said  right       n"]
    for number, one in enumerate(bins(claims)):
        span = f"{number / BINS:.1f} to {(number + 1) / BINS:.1f}"
        if one is None:
            lines.append(f"{span}       -      -       0")
            continue
        bar = list("#" * round(BAR * one.right) + " " * BAR)[: BAR + 1]
        bar[round(BAR * one.said)] = "|"
        line = f"{span}   {one.said:.2f}   {one.right:.2f}  {one.n:6}  {''.join(bar)}"
        lines.append(line.rstrip())
    error = expected_error(claims)
    lines.append("expected calibration error " + ("-" if error is None else f"{error:.3f}"))
    return "\n".join(lines)


def svg(title: str, claims: Sequence[Claim]) -> str:
    """The curve as a picture: a dot for each bin, its area by the number of claims."""
    side, margin = _SVG_SIDE, _SVG_MARGIN
    size, far = side + 2 * margin, side + margin
    known = [one for one in bins(claims) if one]
    most = max((one.n for one in known), default=1)
    points = [(margin + side * one.said, margin + side * (1 - one.right), one) for one in known]
    error = expected_error(claims)
    caption = f"{title}: {len(claims)} claims" + ("" if error is None else f", ECE {error:.3f}")
    style = f'viewBox="0 0 {size} {size}" font-family="sans-serif" font-size="13"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {style}>',
        f'<rect width="{size}" height="{size}" fill="white"/>',
        f'<path d="M{margin} {margin}H{far}V{far}H{margin}Z" fill="none" stroke="#999"/>',
        f'<path d="M{margin} {far}L{far} {margin}" stroke="#999" stroke-dasharray="4"/>',
        _text(size / 2, 24, caption),
        _text(size / 2, size - 6, "said"),
        _text(12, size / 2, "right", f' transform="rotate(-90 12 {size / 2})"'),
    ]
    for share in (0.0, 0.5, 1.0):
        parts.append(_text(margin + side * share, size - 24, f"{share:g}"))
        parts.append(_text(margin - 14, margin + side * (1 - share) + 4, f"{share:g}"))
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
    parts.append(f'<polyline points="{line}" fill="none" stroke="#0b7285" stroke-width="2"/>')
    for x, y, one in points:
        radius = 3 + 9 * (one.n / most) ** 0.5
        tip = f"said {one.said:.2f}, right {one.right:.2f}, n {one.n}"
        parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}" fill="#0b7285"'
            f' fill-opacity="0.6"><title>{tip}</title></circle>'
        )
    return "\n".join([*parts, "</svg>", ""])


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="middle"{more}>{text}</text>'
