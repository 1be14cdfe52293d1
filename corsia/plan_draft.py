"""A plan put together from the features of a map, in the form that a plan in YAML has.

So one set of checks serves all formats; a fault names the feature instead of a line.
"""

import math
from collections.abc import Sequence
from typing import Any

import msgspec
from pydantic import ValidationError

from beacons.floor import Point, Polygon
from beacons.geo_plane import GeoPlane
from beacons.store_plan import GeoAnchor, StorePlan
from corsia.gateway_list import Listed
from corsia.geo_features import Feature, FeatureError, Json, corners
from corsia.plan_checks import explained
from corsia.plan_fields import FORMAT_VERSION, MAX_COORDINATE_M
from corsia.plan_files import Examined, examined
from corsia.plan_models import AnchorPart
from corsia.yaml_lines import Document, Fault, Loc, path_text


def read_anchor(file: str, said: object) -> GeoAnchor:
    """An anchor as a plan in YAML has it. Raises FeatureError."""
    try:
        return AnchorPart.model_validate(said).value()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        loc: Loc = ("anchor", *first["loc"])
        raise FeatureError(Fault(file, None, path_text(loc), explained(first, loc))) from error


class PlanDraft:
    """One store in the making. Edges and places come in degrees, facts as they were written.

    What lies too far from the origin raises FeatureError.
    """

    def __init__(self, file: str, anchor: GeoAnchor, faults: list[Fault]) -> None:
        self.faults = faults
        self._file = file
        self._anchor = anchor
        self._plane = GeoPlane(anchor)
        self._floors: dict[str, Json] = {}
        self._connectors: dict[str, Json] = {}
        self._names: dict[Loc, str] = {("stores", 0): "the store"}

    @property
    def floor_ids(self) -> list[str]:
        """The floors so far."""
        return list(self._floors)

    def floor(self, feature: Feature, floor_id: str, level: object, edge: Sequence[Point]) -> None:
        """A floor; an id used before is a fault."""
        if floor_id in self._floors:
            self.faults.append(feature.wrong(f"the floor_id {floor_id} is used twice").fault)
            return
        outline = self._corners(feature, edge)
        self._names["stores", 0, "floors", len(self._floors)] = feature.name
        lists: Json = {"obstacles": [], "zones": [], "gateways": []}
        self._floors[floor_id] = {
            "floor_id": floor_id, "level": level, "outline": _rows(outline), **lists,
        }  # fmt: skip

    def obstacle(self, feature: Feature, floor_id: str, edge: Sequence[Point]) -> None:
        """What nobody can walk through."""
        self._add(feature, floor_id, "obstacles", _rows(self._corners(feature, edge)))

    def zone(self, feature: Feature, floor_id: str, facts: Json, edge: Sequence[Point]) -> None:
        """A zone. facts: its keys in a plan file, without the polygon."""
        polygon = _rows(self._corners(feature, edge))
        self._add(feature, floor_id, "zones", {**facts, "polygon": polygon})

    def gateway(self, feature: Feature, floor_id: str, facts: Json, at: Point) -> None:
        """A gateway. facts: its keys in a plan file, without x and y."""
        self._add(feature, floor_id, "gateways", {**facts, **self._place(feature, at)})

    def hang(self, gateways: tuple[Listed, ...] | None, stored: StorePlan | None) -> list[str]:
        """Hang the gateways that were given; else, on floors without any, those stored.

        The notes say what was kept.
        """
        if gateways is not None:
            for floor in self._floors.values():
                floor["gateways"] = []
            for listed in gateways:
                self._hang(listed)
        if gateways is not None or stored is None or stored.anchor is None:
            return []
        notes = []
        there = GeoPlane(stored.anchor)
        for known in stored.floors:
            mine = self._floors.get(known.floor_id)
            if mine is None or mine["gateways"] or not known.gateways:
                continue
            degrees = there.degrees([(place.x_m, place.y_m) for place in known.gateways])
            for place, (x_m, y_m) in zip(
                known.gateways, corners(self._plane, degrees), strict=True
            ):
                facts = {"gateway_id": place.gateway_id, "x_m": x_m, "y_m": y_m, "z_m": place.z_m}
                mine["gateways"].append(facts)
            count = len(known.gateways)
            notes.append(f"floor {known.floor_id} keeps its {count} gateways, as they are stored")
        return notes

    def _hang(self, listed: Listed) -> None:
        floor_id = listed.floor_id
        if floor_id is None and len(self._floors) == 1:
            floor_id = self.floor_ids[0]
        if floor_id not in self._floors:
            known = ", ".join(self.floor_ids) or "none"
            what = f"its floor_id is {floor_id}; the floors of the plan are {known}"
            self.faults.append(Fault(listed.name, None, "", what))
            return
        facts = dict(listed.facts)
        if listed.degrees is not None:
            ((facts["x_m"], facts["y_m"]),) = corners(self._plane, [listed.degrees])
        items = self._floors[floor_id]["gateways"]
        number = self.floor_ids.index(floor_id)
        self._names["stores", 0, "floors", number, "gateways", len(items)] = listed.name
        items.append(facts)

    def connector_end(
        self, feature: Feature, floor_id: str, connector_id: str, kind: object, at: Point
    ) -> None:
        """One end of a connector; those of one id belong together."""
        end = {"floor_id": floor_id, **self._place(feature, at)}
        if connector_id not in self._connectors:
            self._names["stores", 0, "connectors", len(self._connectors)] = feature.name
            connector: Json = {"connector_id": connector_id, "kind": kind, "ends": []}
            self._connectors[connector_id] = connector
        self._connectors[connector_id]["ends"].append(end)

    def examined(self, store: Json) -> Examined:
        """The store with every fault. store: its id, name, time zone and country."""
        store = {
            **store,
            "anchor": msgspec.to_builtins(self._anchor),
            "floors": list(self._floors.values()),
            "connectors": list(self._connectors.values()),
        }
        value = {"version": FORMAT_VERSION, "stores": [store]}
        return examined(Document(self._file, value, {}, tuple(self.faults), self._names))

    def _add(self, feature: Feature, floor_id: str, key: str, item: object) -> None:
        items = self._floors[floor_id][key]
        number = self.floor_ids.index(floor_id)
        self._names["stores", 0, "floors", number, key, len(items)] = feature.name
        items.append(item)

    def _corners(self, feature: Feature, edge: Sequence[Point]) -> Polygon:
        drawn = corners(self._plane, edge)
        away_m = max(math.hypot(*corner) for corner in drawn)
        if away_m > MAX_COORDINATE_M:
            where = f"({self._anchor.longitude_deg:g}, {self._anchor.latitude_deg:g})"
            raise feature.wrong(f"lies {away_m / 1000:,.0f} km from the plan's origin, {where}")
        return drawn

    def _place(self, feature: Feature, at: Point) -> Json:
        ((x_m, y_m),) = self._corners(feature, [at])
        return {"x_m": x_m, "y_m": y_m}


def _rows(polygon: Sequence[Point]) -> list[Any]:
    return [list(corner) for corner in polygon]
