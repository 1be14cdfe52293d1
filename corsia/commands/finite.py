"""Numbers of the command line that are numbers: click's ranges let `nan` through, and `inf`."""

import math
from typing import Any

import click


class FiniteRange(click.FloatRange):
    """A float range without `nan` and `inf`, which compare with no limit or reach none."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The number. Raises BadParameter when it is none, not finite, or out of the range."""
        number = click.FLOAT.convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"'{value}' is not a finite number.", param, ctx)
        return float(super().convert(value, param, ctx))
