"""An interval drawn in one line of text: where it lies, and whether it holds nothing at all."""

from typing import Final

from offers.intervals import Effect

# Wide enough to see a tenth of the interval, narrow enough to stand beside its figures.
WIDTH: Final = 41


def interval_picture(effect: Effect, width: int = WIDTH) -> str:
    """The interval on an axis with zero in its middle: `····|··[==#==]···`.

    width: odd, 11 or more. The axis reaches as far as the interval's further end.
    """
    middle = width // 2
    reach = max(abs(effect.low), abs(effect.high))
    if reach == 0:
        return "·" * middle + "#" + "·" * middle
    low, point, high = (
        middle + round(middle * value / reach)
        for value in (effect.low, effect.difference, effect.high)
    )
    cells = ["·"] * width
    cells[low : high + 1] = "=" * (high + 1 - low)
    cells[middle] = "|"
    cells[low], cells[high] = "[", "]"
    cells[point] = "#"
    return "".join(cells)
