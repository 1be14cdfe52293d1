"""Which units of stairs, lifts and the like of an IMDF archive belong together."""

from collections.abc import Iterator, Sequence
from typing import Any

import shapely

from corsia.geo_features import Feature, FeatureError
from corsia.imdf_words import CONNECTOR_OF
from corsia.yaml_lines import Fault


def joints(
    ways: Sequence[Feature], relationships: Sequence[Feature], faults: list[Fault]
) -> list[list[Feature]]:
    """The units in groups, each what one can go through from floor to floor.

    A group is what our extension names alike, else what a relationship names together, else
    units of one kind that lie over each other on different levels.
    """
    by_name: dict[str, list[Feature]] = {}
    rest: dict[str, Feature] = {}
    for way in ways:
        if (name := way.extension.get("connector_id")) is None:
            rest[way.feature_id] = way
        else:
            by_name.setdefault(str(name), []).append(way)
    related = [
        [rest.pop(name) for name in _named(relationship) if name in rest]
        for relationship in relationships
    ]
    stacked = _stacked(list(rest.values()), faults)
    return [*by_name.values(), *filter(None, related), *stacked]


def _named(relationship: Feature) -> Iterator[str]:
    """The ids of the features that a relationship joins, from its origin to its destination."""
    between: Any = relationship.properties.get("intermediary") or []
    origin, destination = map(relationship.properties.get, ("origin", "destination"))
    seen = set()
    for reference in (origin, *(between if isinstance(between, list) else []), destination):
        if isinstance(reference, dict) and (name := str(reference.get("id"))) not in seen:
            seen.add(name)
            yield name


def _stacked(ways: list[Feature], faults: list[Fault]) -> list[list[Feature]]:
    """Units over each other; a group has one unit of a level."""
    groups: list[tuple[list[Feature], shapely.Polygon]] = []
    for way in ways:
        try:
            shape = shapely.Polygon(way.areas()[0].edge)
        except FeatureError as error:
            faults.append(error.fault)
            continue
        kind = CONNECTOR_OF[way.word("category")]
        for group, under in groups:
            if (
                CONNECTOR_OF[group[0].word("category")] is kind
                and all(one.word("level_id") != way.word("level_id") for one in group)
                and shape.is_valid
                and under.is_valid
                and under.intersects(shape)
            ):
                group.append(way)
                break
        else:
            groups.append(([way], shape))
    return [group for group, _ in groups]
