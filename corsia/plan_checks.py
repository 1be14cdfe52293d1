"""What can be wrong with a plan file, each in one sentence at the place where it stands."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from pydantic_core import ErrorDetails

from beacons.floor import Part, PlanFault, plan_faults
from beacons.store_plan import StorePlan, connector_faults
from corsia.plan_models import PARTS, FilePart
from corsia.yaml_lines import Document, Fault, Loc, Place
from offers.attribution import Window
from offers.campaign import Campaign
from offers.creative_lint import Severity, lint

_Seen = dict[str, Place | None]


def explained(details: ErrorDetails, loc: Loc) -> str:
    """What pydantic found, in words for the person who wrote the file."""
    context = details.get("ctx", {})
    match details["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            around = next((part for part in reversed(loc[:-1]) if isinstance(part, str)), "")
            known = PARTS.get(around, FilePart).model_fields
            return f"no such key here; known are {', '.join(known)}"
        case _ if details["input"] is None:
            return "is empty"
        case "string_type":
            return "must be text"
        case "tuple_type" | "list_type":
            return "must be a list"
        case "model_type" | "model_attributes_type":
            return "must be a mapping (key: value)"
        case "float_type" | "float_parsing" | "finite_number":
            return "must be a number"
        case "int_type" | "int_parsing" | "int_parsing_size" | "int_from_float":
            return "must be a whole number"
        case "greater_than_equal":
            return f"must be at least {context['ge']}"
        case "less_than_equal":
            return f"must be at most {context['le']}"
        case "string_too_long":
            return f"must have at most {context['max_length']} characters"
        case "enum" | "literal_error":
            return f"must be {context['expected']}"
        case _:
            return details["msg"]


def store_faults(store: StorePlan, loc: Loc, document: Document) -> Iterable[Fault]:
    """What is wrong with the drawing of a store's floors, and with what joins them.

    An id used twice is said on the line of its second use (repeated_ids), not here.
    """
    if not store.floors:
        yield document.fault((*loc, "floors"), "has no floor; a store needs one")
    for number, floor in enumerate(store.floors):
        zones = _firsts(zone.zone_id for zone in floor.zones)
        gateways = _firsts(place.gateway_id for place in floor.gateways)
        once = replace(
            floor,
            zones=tuple(floor.zones[index] for index in zones),
            gateways=tuple(floor.gateways[index] for index in gateways),
        )
        for fault in plan_faults(once):
            where = (*loc, "floors", number, *_subject(fault, zones, gateways))
            yield document.fault(where, fault.sentence)
    connectors = _firsts(connector.connector_id for connector in store.connectors)
    joined = replace(store, connectors=tuple(store.connectors[index] for index in connectors))
    for joint in connector_faults(joined):
        where = (*loc, "connectors", connectors[joint.index])
        yield document.fault(
            where if joint.end is None else (*where, "ends", joint.end), joint.sentence
        )


def _subject(fault: PlanFault, zones: list[int], gateways: list[int]) -> Loc:
    """Where in a floor the thing stands that a fault is about."""
    match fault.part, fault.index:
        case Part.OUTLINE, _:
            return ("outline",)
        case Part.OBSTACLE, int(index):
            return "obstacles", index
        case Part.ZONE, int(index):
            return "zones", zones[index], "polygon"
        case Part.GATEWAY, int(index):
            return "gateways", gateways[index]
        case _:
            return ()


def campaign_faults(
    campaign: Campaign, stores: Sequence[StorePlan], raw: object, loc: Loc, document: Document
) -> Iterable[Fault]:
    """What is wrong between the parts of a campaign. raw: the mapping it was read from."""
    if not campaign.zone_ids and not campaign.zone_tags:
        yield document.fault((*loc, "zone_ids"), "must name a zone, or zone_tags a tag of zones")
    if campaign.valid_until <= campaign.valid_from:
        yield document.fault((*loc, "valid_until"), "must be later than valid_from")
    for number, span in enumerate(campaign.hours):
        if span.end == span.start:
            what = "must be another time than start; a whole day is 00:00 to 24:00"
            yield document.fault((*loc, "hours", number, "end"), what)
    if (wrong := campaign.offer.benefit.fault()) is not None:
        yield document.fault((*loc, "benefit"), f"a benefit {wrong}")
    locales = [creative.locale.lower() for creative in campaign.offer.creatives]
    for number, locale in enumerate(locales):
        if locale in locales[:number]:
            yield document.fault((*loc, "creatives", number, "locale"), "is there already")
    if campaign.goal is Window.BASKET and campaign.goal_within_min is not None:
        what = "is for the goals shelf and return; a basket is of the same visit"
        yield document.fault((*loc, "goal_within_min"), what)
    yield from creative_findings(campaign, Severity.FAULT, loc, document)
    here = {store.store_id: store for store in stores}
    # Of other stores, imported before or beside this file, nothing is known here: plan_clashes.
    if campaign.store_ids and campaign.store_ids <= here.keys():
        named = [here[store_id] for store_id in sorted(campaign.store_ids)]
        yield from unknown_zones(campaign, named, raw, loc, document)


def creative_findings(
    campaign: Campaign, severity: Severity, loc: Loc, document: Document
) -> Iterable[Fault]:
    """What the lint says of the campaign's texts, each where it stands."""
    numbers = {creative.locale: number for number, creative in enumerate(campaign.offer.creatives)}
    for finding in lint(campaign.offer):
        if finding.severity is severity:
            where = ("creatives", numbers[finding.locale]) if finding.locale else ()
            yield document.fault((*loc, *where, finding.field), finding.sentence)


def unknown_zones(
    campaign: Campaign, stores: Sequence[StorePlan], raw: object, loc: Loc, document: Document
) -> Iterable[Fault]:
    """Zones and tags of a campaign that none of its stores has. stores: all of them."""
    whose = "no store of this campaign" if campaign.store_ids else "no store"
    for number, zone_id in items(raw, "zone_ids"):
        if all(store.zone(str(zone_id)) is None for store in stores):
            yield document.fault((*loc, "zone_ids", number), f"{whose} has a zone {zone_id}")
    borne = {
        tag for store in stores for floor in store.floors for zone in floor.zones
        for tag in zone.tags
    }  # fmt: skip
    for number, tag in items(raw, "zone_tags"):
        if tag not in borne:
            yield document.fault((*loc, "zone_tags", number), f"{whose} has a zone tagged {tag}")


def repeated_ids(document: Document) -> Iterable[Fault]:
    """Ids used twice: of zones, floors and connectors in one store, of all else in the file."""
    stores: _Seen = {}
    gateways: _Seen = {}
    campaigns: _Seen = {}
    for s, store in items(document.value, "stores"):
        zones: _Seen = {}
        floors: _Seen = {}
        yield from _noted(document, stores, store, "store_id", ("stores", s))
        for f, floor in items(store, "floors"):
            loc: Loc = ("stores", s, "floors", f)
            yield from _noted(document, floors, floor, "floor_id", loc)
            for n, zone in items(floor, "zones"):
                yield from _noted(document, zones, zone, "zone_id", (*loc, "zones", n))
            for n, place in items(floor, "gateways"):
                yield from _noted(document, gateways, place, "gateway_id", (*loc, "gateways", n))
        connectors: _Seen = {}
        for n, connector in items(store, "connectors"):
            loc = ("stores", s, "connectors", n)
            yield from _noted(document, connectors, connector, "connector_id", loc)
    for c, campaign in items(document.value, "campaigns"):
        yield from _noted(document, campaigns, campaign, "campaign_id", ("campaigns", c))


def items(value: object, key: str) -> list[tuple[int, object]]:
    """The numbered items of a list in a raw mapping; none when it is something else."""
    found = value.get(key) if isinstance(value, dict) else None
    return list(enumerate(found)) if isinstance(found, list) else []


def _noted(document: Document, seen: _Seen, value: object, key: str, loc: Loc) -> Iterable[Fault]:
    name = value.get(key) if isinstance(value, dict) else None
    if not isinstance(name, str):
        return
    here = (*loc, key)
    if name in seen:
        place = seen[name]
        first = f", first on line {place.line}" if place is not None else ""
        yield document.fault(here, f"{name} is used twice{first}")
    else:
        seen[name] = document.place(here)


def _firsts(ids: Iterable[str]) -> list[int]:
    """Where each id is used first, in order."""
    numbered = list(enumerate(ids))
    return sorted({name: index for index, name in reversed(numbered)}.values())
