"""Plans as YAML files: stores with floors, zones and gateways, and campaigns; in and out.

`read_plan` finds every fault of a file at once and names its line; `write_plan` writes what
`read_plan` reads back as the same values. The form stands in corsia.plan_models; an example is
tests/corsia/plan_example.yaml.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import ValidationError

from beacons.floor import FloorPlan, Polygon
from beacons.store_plan import Connector, GeoAnchor, StorePlan
from corsia.plan_campaigns import CampaignPart, Row, campaign_document, plain_number
from corsia.plan_checks import (
    campaign_faults,
    creative_findings,
    explained,
    items,
    repeated_ids,
    store_faults,
)
from corsia.plan_fields import FORMAT_VERSION, Part
from corsia.plan_models import FilePart, StorePart
from corsia.yaml_lines import (
    MAX_BYTES,
    Document,
    Fault,
    Loc,
    Place,
    YamlSyntaxError,
    load_document,
)
from offers.campaign import Campaign
from offers.creative_lint import Severity

P = TypeVar("P", bound=Part)


class PlanFileError(Exception):
    """A plan file with faults: all that were found, in the order of their lines."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = sorted(faults, key=lambda fault: fault.place or Place(0, 0))
        super().__init__("\n".join(map(str, self.faults)))


@dataclass(frozen=True, slots=True)
class Plan:
    """What a file holds, in its order. document: where it stands there, when it was read."""

    stores: tuple[StorePlan, ...] = ()
    campaigns: tuple[Campaign, ...] = ()
    document: Document | None = field(default=None, compare=False, repr=False)


def read_plan(path: Path) -> Plan:
    """The plan in a file. Raises PlanFileError."""
    return parse_plan(file_bytes(path), path.name)


def file_bytes(path: Path) -> bytes:
    """What the file holds, of one that is too large a little more than is possible.

    Raises PlanFileError.
    """
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        what = f"cannot be read: {error.strerror or error}"
        raise PlanFileError([Fault(path.name, None, "", what)]) from error


def parse_plan(data: bytes, file: str) -> Plan:
    """The plan in a file's bytes. file: its name, for the faults. Raises PlanFileError."""
    return examine_plan(data, file).sound()


def examine_plan(data: bytes, file: str) -> "Examined":
    """What a file's bytes hold, with all faults. Raises PlanFileError when they are no YAML."""
    try:
        return examined(load_document(file, data))
    except YamlSyntaxError as error:
        raise PlanFileError([error.fault]) from error


@dataclass(frozen=True, slots=True)
class Examined:
    """What a document holds as far as it has the right form, and all that is wrong with it.

    form: faults of what is written; drawing: of what is drawn with it, and of its campaigns.
    """

    plan: Plan
    form: tuple[Fault, ...]
    drawing: tuple[Fault, ...]

    def sound(self) -> Plan:
        """The plan. Raises PlanFileError when there is any fault."""
        if self.form or self.drawing:
            raise PlanFileError((*self.form, *self.drawing))
        return self.plan


def examined(document: Document) -> Examined:
    """The stores and campaigns of a document, with every fault."""
    form = list(document.faults)
    drawing: list[Fault] = []
    _checked(FilePart, {} if document.value is None else document.value, (), document, form)
    stores: list[StorePlan] = []
    for number, value in items(document.value, "stores"):
        loc: Loc = ("stores", number)
        if (store := _checked(StorePart, value, loc, document, form)) is not None:
            stores.append(store.value())
            drawing += store_faults(stores[-1], loc, document)
    campaigns: list[Campaign] = []
    for number, value in items(document.value, "campaigns"):
        loc = ("campaigns", number)
        if (campaign := _checked(CampaignPart, value, loc, document, form)) is not None:
            campaigns.append(campaign.value())
            drawing += campaign_faults(campaigns[-1], stores, value, loc, document)
    form += repeated_ids(document)
    return Examined(Plan(tuple(stores), tuple(campaigns), document), tuple(form), tuple(drawing))


def creative_warnings(plan: Plan) -> list[Fault]:
    """What is weak in the texts of its campaigns, with the lines of its file."""
    if plan.document is None:
        return []
    return [
        warning
        for number, campaign in enumerate(plan.campaigns)
        for warning in creative_findings(
            campaign, Severity.WARNING, ("campaigns", number), plan.document
        )
    ]


def write_plan(plan: Plan) -> str:
    """The plan as a file that `read_plan` reads back as the same values."""
    document: dict[str, object] = {"version": int(FORMAT_VERSION)}
    if plan.stores:
        document["stores"] = [_store_document(store) for store in plan.stores]
    if plan.campaigns:
        document["campaigns"] = [campaign_document(campaign) for campaign in plan.campaigns]
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100)


def _checked(
    kind: type[P], value: object, loc: Loc, document: Document, faults: list[Fault]
) -> P | None:
    """The value as its model; None when it has faults, which are then added to the list."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            here: Loc = (*loc, *details["loc"])
            faults.append(document.fault(here, explained(details, here)))
        return None


class _Dumper(yaml.SafeDumper):
    """Lists set in below their key; rows on one line; no anchors."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True


def _row(dumper: yaml.SafeDumper, row: Row) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", row, flow_style=True)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(Row, _row)
_Dumper.add_representer(str, _text)


def _store_document(store: StorePlan) -> dict[str, object]:
    facts: dict[str, object] = {
        "store_id": store.store_id,
        "name": store.name,
        "tz": store.tz,
        "country": store.country,
        "anchor": None if store.anchor is None else _anchor_document(store.anchor),
        "floors": [_floor_document(floor) for floor in store.floors],
        "connectors": [_connector_document(connector) for connector in store.connectors],
    }
    return {key: value for key, value in facts.items() if value is not None and value != []}


def _floor_document(floor: FloorPlan) -> dict[str, object]:
    return {
        "floor_id": floor.floor_id,
        "level": floor.level,
        "outline": _ring(floor.outline),
        "obstacles": [_ring(obstacle) for obstacle in floor.obstacles],
        "zones": [
            {
                "zone_id": zone.zone_id,
                "name": zone.name,
                "kind": zone.kind.value,
                "priority": zone.priority,
                **({"tags": Row(sorted(zone.tags))} if zone.tags else {}),
                "polygon": _ring(zone.polygon),
            }
            for zone in floor.zones
        ],
        "gateways": [
            {
                "gateway_id": place.gateway_id,
                "x_m": plain_number(place.x_m),
                "y_m": plain_number(place.y_m),
                "z_m": plain_number(place.z_m),
            }
            for place in floor.gateways
        ],
    }


def _connector_document(connector: Connector) -> dict[str, object]:
    return {
        "connector_id": connector.connector_id,
        "kind": connector.kind.value,
        "ends": [
            {"floor_id": end.floor_id, "x_m": plain_number(end.x_m), "y_m": plain_number(end.y_m)}
            for end in connector.ends
        ],
    }


def _anchor_document(anchor: GeoAnchor) -> dict[str, object]:
    return {
        "longitude_deg": plain_number(anchor.longitude_deg),
        "latitude_deg": plain_number(anchor.latitude_deg),
        "bearing_deg": plain_number(anchor.bearing_deg),
    }


def _ring(polygon: Polygon) -> Row:
    return Row(Row(plain_number(m) for m in corner) for corner in polygon)
