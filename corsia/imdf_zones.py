"""Sections that lie over each other in IMDF, which knows no priority: the smaller one answers."""

from collections.abc import Sequence
from dataclasses import dataclass

import shapely

from beacons.floor import OVERLAP_SHARE
from corsia.geo_features import Feature, Ring


@dataclass(frozen=True, slots=True)
class Drawn:
    """One part of a section on its floor."""

    feature: Feature
    floor_id: str
    part: Ring


def priorities(drawn: Sequence[Drawn]) -> list[int]:
    """For each part how many sections deep it lies: one more than those larger ones under it."""
    shapes = [shapely.Polygon(one.part.edge) for one in drawn]
    tree = shapely.STRtree(shapes)
    depth = [0] * len(drawn)
    # Largest first, so that what lies under a part is known; the order of the file breaks ties.
    order = sorted(range(len(drawn)), key=lambda number: -shapes[number].area)
    done: set[int] = set()
    for number in order:
        shape = shapes[number]
        done.add(number)
        if not shape.is_valid:
            continue  # the checks of the plan say so
        for other in map(int, tree.query(shape, predicate="intersects")):
            if (
                other in done
                and other != number
                and drawn[other].floor_id == drawn[number].floor_id
                and shapes[other].is_valid
                and shape.intersection(shapes[other]).area > OVERLAP_SHARE * shape.area
            ):
                depth[number] = max(depth[number], depth[other] + 1)
    return depth
