"""What can be wrong between plan files, and between them and the stores imported before."""

from collections.abc import Iterable, Sequence

from beacons.store_plan import StorePlan
from corsia.plan_checks import items, unknown_zones
from corsia.plan_files import Plan
from corsia.yaml_lines import Document, Fault, Loc
from offers.campaign import Campaign

# Kind of id and id -> where it was used first.
_Seen = dict[tuple[str, str], str]


def clashes(plans: Iterable[Plan], stored: Sequence[StorePlan]) -> list[Fault]:
    """Every fault, in the order of the files. plans: each without a fault of its own.

    stored: the stores of the database; those that a plan has too are replaced by it.
    """
    plans = [plan for plan in plans if plan.document is not None]
    given = {store.store_id: store for plan in plans for store in plan.stores}
    kept = [store for store in stored if store.store_id not in given]
    stores = {store.store_id: store for store in kept} | given
    taken = {
        place.gateway_id: store.store_id
        for store in kept
        for floor in store.floors
        for place in floor.gateways
    }
    seen: _Seen = {}
    faults: list[Fault] = []
    for plan in plans:
        document = plan.document
        assert document is not None
        faults += _ids(plan, document, taken, seen)
        for number, raw in items(document.value, "campaigns"):
            loc: Loc = ("campaigns", number)
            faults += _places(plan.campaigns[number], stores, raw, loc, document)
    return faults


def _ids(plan: Plan, document: Document, taken: dict[str, str], seen: _Seen) -> Iterable[Fault]:
    """Ids used by another file, and gateways of a store that stays as it is."""
    for loc, name in _named(plan):
        what = (str(loc[-1]), name)
        if what in seen:
            yield document.fault(loc, f"{name} is used twice, first in {seen[what]}")
        elif loc[-1] == "gateway_id" and name in taken:
            yield document.fault(loc, f"{name} hangs in store {taken[name]} already")
        else:
            place = document.place(loc)
            seen[what] = f"{document.file}:{place.line}" if place is not None else document.file


def _named(plan: Plan) -> Iterable[tuple[Loc, str]]:
    """Every id that may be used once only, whichever the file."""
    for s, store in enumerate(plan.stores):
        yield ("stores", s, "store_id"), store.store_id
        for f, floor in enumerate(store.floors):
            for g, place in enumerate(floor.gateways):
                loc = ("stores", s, "floors", f, "gateways", g, "gateway_id")
                yield loc, place.gateway_id
    for c, campaign in enumerate(plan.campaigns):
        yield ("campaigns", c, "campaign_id"), campaign.campaign_id


def _places(
    campaign: Campaign, stores: dict[str, StorePlan], raw: object, loc: Loc, document: Document
) -> Iterable[Fault]:
    """Stores and zones of a campaign that are nowhere: it would never be sent there."""
    unknown = campaign.store_ids - stores.keys()
    for number, store_id in items(raw, "store_ids"):
        if store_id in unknown:
            what = f"there is no store {store_id}, in these files or imported before"
            yield document.fault((*loc, "store_ids", number), what)
    # The zones of a store that is not known may be right.
    if not unknown:
        named = [stores[one] for one in sorted(campaign.store_ids)] or list(stores.values())
        yield from unknown_zones(campaign, named, raw, loc, document)
