"""A store's plan out of an IMDF archive (OGC 20-094), ours or one that somebody else drew.

Levels become floors, sections zones, fixtures and kiosks obstacles; units of walls, voids and
staff rooms obstacles too, units of stairs, lifts and the like connectors. All else is passed over.
"""

from collections import defaultdict
from pathlib import Path
from typing import Any

import shapely

from beacons.geo_plane import anchor_around
from beacons.store_plan import GeoAnchor
from corsia.geo_features import Feature, FeatureError, Json, Ring, features_of, read_json
from corsia.imdf_archive import MANIFEST, read_archive
from corsia.imdf_joints import joints
from corsia.imdf_words import (
    CONNECTOR_OF,
    FEATURE_TYPES,
    GATEWAY,
    KIND_OF,
    SOLID_UNITS,
)
from corsia.imdf_zones import Drawn, priorities
from corsia.plan_draft import PlanDraft, read_anchor
from corsia.plan_files import Examined, PlanFileError
from corsia.plan_given import Given, slug
from corsia.yaml_lines import Fault


def read_imdf(path: Path, given: Given) -> tuple[Examined, list[str]]:
    """What the archive holds, with its faults; and notes on what was left out or assumed.

    path: a zip, or a folder. Raises PlanFileError when it is no IMDF archive, or has no level.
    """
    faults: list[Fault] = []
    try:
        files = read_archive(path)
        language = _language(files[MANIFEST])
        features = _features(files, faults)
        reader = _Reader(path.name, language, features, given, faults)
    except FeatureError as error:
        raise PlanFileError([error.fault]) from error
    return reader.examined()


def _language(manifest: bytes) -> str:
    """The archive's language. Raises FeatureError when it is of another IMDF than the first."""
    said = read_json(MANIFEST, manifest)
    version = said.get("version")
    if not isinstance(version, str) or not version.startswith("1."):
        what = f"its IMDF version is {version!r}; this reads 1.0.0"
        raise FeatureError(Fault(MANIFEST, None, "", what))
    return str(said.get("language", ""))


def _features(files: dict[str, bytes], faults: list[Fault]) -> dict[str, list[Feature]]:
    """The features of all files by their type."""
    found: dict[str, list[Feature]] = defaultdict(list)
    for name, data in files.items():
        if name != MANIFEST:
            for feature in features_of(name, read_json(name, data), "feature_type", faults):
                found[feature.kind].append(feature)
    return found


class _Reader:
    def __init__(
        self,
        file: str,
        language: str,
        features: dict[str, list[Feature]],
        given: Given,
        faults: list[Fault],
    ) -> None:
        self._file = file
        self._language = language
        self._features = features
        self._given = given
        self._notes: list[str] = []
        self._venue = next(iter(features["venue"]), None)
        self._draft = PlanDraft(file, self._anchor(), faults)
        self._floor_of: dict[str, str] = {}
        self._taken: set[str] = set()

    def examined(self) -> tuple[Examined, list[str]]:
        self._levels()
        for kind in ("fixture", "kiosk", "unit"):
            self._each(kind, self._obstacle)
        self._sections()
        self._connectors()
        self._each(GATEWAY, self._gateway)
        others = {
            kind: found for kind, found in self._features.items() if kind not in FEATURE_TYPES
        }
        others.pop(GATEWAY, None)
        if count := sum(map(len, others.values())):
            self._notes.append(f"left out: features of types that are not of IMDF ({count})")
        self._notes += self._draft.hang(self._given.gateways, self._given.stored(self._said()))
        facts = self._given.store_facts(self._file, self._said(), self._draft.faults)
        return self._draft.examined(facts), self._notes

    def _said(self) -> Json:
        """What the archive says of the store itself."""
        said: Json = {} if self._venue is None else dict(self._venue.extension)
        if self._venue is not None:
            said.setdefault("name", self._label(self._venue, "name"))
        for address in self._features["address"]:
            said.setdefault("country", address.properties.get("country"))
        return said

    def _anchor(self) -> GeoAnchor:
        """Where the plan lies: as given, as the archive says, as stored, or around its levels."""
        if self._given.anchor is not None:
            return self._given.anchor
        if self._venue is not None and (said := self._venue.extension.get("anchor")) is not None:
            return read_anchor(self._file, said)
        stored = self._given.stored(self._said())
        if stored is not None and stored.anchor is not None:
            return stored.anchor
        levels = self._features["level"]
        if not levels:
            raise FeatureError(Fault(self._file, None, "", "holds no level: it has no floor"))
        return anchor_around(
            [corner for level in levels for part in level.areas() for corner in part.edge]
        )

    def _each(self, kind: str, draw: Any) -> None:
        """Draw every feature of a type; those that cannot be are faults."""
        for feature in self._features[kind]:
            try:
                draw(feature)
            except FeatureError as error:
                self._draft.faults.append(error.fault)

    def _levels(self) -> None:
        used = {section.word("level_id") for section in self._features["section"]}
        self._each("level", lambda level: self._level(level, is_used=level.feature_id in used))

    def _level(self, feature: Feature, *, is_used: bool) -> None:
        name = feature.extension.get("floor_id")
        label = self._label(feature, "short_name") or self._label(feature, "name") or ""
        ordinal = feature.properties.get("ordinal", 0)
        if name is None and not is_used:
            self._notes.append(f"left out: level {label or ordinal}, which has no section")
            return
        floor_id = slug(label, self._taken, f"level-{ordinal}") if name is None else str(name)
        parts = sorted(feature.areas(), key=_size, reverse=True)
        self._draft.floor(feature, floor_id, ordinal, parts[0].edge)
        self._floor_of[feature.feature_id] = floor_id
        for part in parts[1:]:
            self._notes.append(
                f"left out: a part of level {floor_id} that lies apart from its largest"
                f" ({_size(part) / _size(parts[0]):.0%} of that)"
            )
        for hole in parts[0].holes:
            self._draft.obstacle(feature, floor_id, hole)

    def _obstacle(self, feature: Feature) -> None:
        # People without a key go into no restricted unit; the rest of the units is floor.
        category, restriction = (feature.text(key) for key in ("category", "restriction"))
        if feature.kind == "unit" and category not in SOLID_UNITS and restriction is None:
            return
        if (floor_id := self._floor(feature)) is None or category in CONNECTOR_OF:
            return
        for part in feature.areas():
            # Nobody gets to the inside of a ring of counters.
            self._draft.obstacle(feature, floor_id, part.edge)

    def _sections(self) -> None:
        drawn: list[Drawn] = []
        for feature in self._features["section"]:
            try:
                if (floor_id := self._floor(feature)) is not None:
                    drawn += [Drawn(feature, floor_id, part) for part in feature.areas()]
            except FeatureError as error:
                self._draft.faults.append(error.fault)
        taken: set[str] = {
            str(one.feature.extension["zone_id"])
            for one in drawn
            if "zone_id" in one.feature.extension
        }
        for one, priority in zip(drawn, priorities(drawn), strict=True):
            try:
                self._zone(one, priority, taken)
            except FeatureError as error:
                self._draft.faults.append(error.fault)

    def _zone(self, one: Drawn, priority: int, taken: set[str]) -> None:
        said = one.feature.extension
        category = one.feature.text("category") or "unspecified"
        name = self._label(one.feature, "name") or category
        zone_id = said.get("zone_id") or slug(name, taken, "zone")
        kind = said.get("kind")
        if kind is None and category not in KIND_OF:
            self._notes.append(
                f"zone {zone_id} is quiet: nothing here answers to the category {category!r}"
            )
        if kind is None:
            kind = KIND_OF[category].value if category in KIND_OF else "quiet"
        if one.part.holes:
            self._notes.append(f"zone {zone_id} has holes, which were filled")
        facts = {
            "zone_id": zone_id,
            "name": name,
            "kind": kind,
            "priority": said.get("priority", priority),
            "tags": said.get("tags", ()),
        }
        self._draft.zone(one.feature, one.floor_id, facts, one.part.edge)

    def _connectors(self) -> None:
        ways = [
            unit
            for unit in self._features["unit"]
            if unit.word("category") in CONNECTOR_OF and unit.word("level_id") in self._floor_of
        ]
        taken = {
            str(way.extension["connector_id"]) for way in ways if "connector_id" in way.extension
        }
        alone = 0
        for joint in joints(ways, self._features["relationship"], self._draft.faults):
            # One end a level: of two doors of a lift on the same level, the first.
            ends = list({way.word("level_id"): way for way in reversed(joint)}.values())[::-1]
            if len(ends) < 2:
                alone += 1
                continue
            kind = CONNECTOR_OF[ends[0].word("category")].value
            name = ends[0].extension.get("connector_id")
            label = self._label(ends[0], "name") or kind
            connector_id = slug(label, taken, kind) if name is None else str(name)
            for way in ends:
                self._end(way, connector_id, kind)
        if alone:
            self._notes.append(
                f"left out: stairs, lifts and the like that join no floors ({alone})"
            )

    def _end(self, way: Feature, connector_id: str, kind: str) -> None:
        floor_id = self._floor_of[way.word("level_id")]
        try:
            at = way.display_point() or way.point()
            self._draft.connector_end(way, floor_id, connector_id, kind, at)
        except FeatureError as error:
            self._draft.faults.append(error.fault)

    def _gateway(self, feature: Feature) -> None:
        if (floor_id := self._floor(feature)) is not None:
            facts = {key: feature.extension.get(key) for key in ("gateway_id", "z_m")}
            self._draft.gateway(feature, floor_id, facts, feature.point())

    def _floor(self, feature: Feature) -> str | None:
        """The floor that a feature is on; None when its level was left out."""
        level_id = feature.text("level_id")
        if level_id not in {level.feature_id for level in self._features["level"]}:
            raise feature.wrong(f"its level_id is {level_id}, and there is no such level")
        return self._floor_of.get(level_id)

    def _label(self, feature: Feature, key: str) -> str | None:
        """A name in the archive's language, or else in the first that there is."""
        labels = feature.properties.get(key)
        if not isinstance(labels, dict) or not labels:
            return None
        return str(labels.get(self._language) or next(iter(labels.values())))


def _size(part: Ring) -> float:
    """The area of a part, in square degrees: to compare with its neighbours only."""
    return float(shapely.Polygon(part.edge, part.holes).area)
