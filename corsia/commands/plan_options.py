"""Options of the commands about plans: formats, and where a plan lies on Earth."""

from pathlib import Path
from typing import Any, Final

import click

from beacons.store_plan import GeoAnchor
from corsia.geo_features import FeatureError
from corsia.plan_draft import read_anchor
from corsia.plan_source import SUFFIXES, Format, format_of

FORMAT: Final = click.Choice([form.value for form in Format])
ANCHOR_HELP: Final = (
    "Where the plan's origin lies, in degrees, and where its y axis points, clockwise from north"
    " (0 when left out)."
)


class _Anchor(click.ParamType[Any]):
    """LONGITUDE,LATITUDE or LONGITUDE,LATITUDE,BEARING."""

    name = "longitude,latitude[,bearing]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> GeoAnchor:
        parts = str(value).split(",")
        if not 2 <= len(parts) <= 3:
            self.fail(f"{value!r} is not LONGITUDE,LATITUDE or with ,BEARING", param, ctx)
        keys = ("longitude_deg", "latitude_deg", "bearing_deg")
        try:
            return read_anchor("", dict(zip(keys, parts, strict=False)))
        except FeatureError as error:
            self.fail(f"{error.fault.where} {error.fault.what}", param, ctx)


ANCHOR: Final = _Anchor()


def the_format(path: Path, said: str | None) -> Format:
    """The format that was asked for, or that the name of the file stands for."""
    if said is not None:
        return Format(said)
    if (guessed := format_of(path)) is None:
        known = ", ".join(SUFFIXES)
        raise click.UsageError(
            f"{path.name}: its name does not say what it is ({known}); give --format"
        )
    return guessed
