"""A store's plan as the engine uses it: its presence model, its zones, the time on its wall."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy.ext.asyncio import AsyncConnection

from beacons.calibration import GatewayRadio
from beacons.dwell import DwellCurve, dwell_curves
from beacons.floor import PlanError, Zone, ZoneKind
from beacons.presence import PresenceModel
from beacons.store_plan import StorePlan
from beacons.survey import Survey
from db import gateway_radios, stores, surveys
from engine.store_time import SOME_DAY, Local, local_time
from offers.situation import ZoneRole

# Where people pay, ask or only pass, nobody is messaged (DESIGN 7).
QUIET_KINDS: Final = frozenset(
    {ZoneKind.CHECKOUT, ZoneKind.ENTRANCE, ZoneKind.QUIET, ZoneKind.SERVICE_DESK, ZoneKind.PICKUP}
)


@dataclass(frozen=True, slots=True)
class PlanVersion:
    """When the store was last imported, calibrated and surveyed; None: never."""

    saved_at: datetime | None
    calibrated_at: datetime | None
    surveyed_at: datetime | None


@dataclass(frozen=True, slots=True)
class PlanSource:
    """All that a store's plan is made from, as SQL has it."""

    version: PlanVersion
    store: StorePlan
    radios: tuple[GatewayRadio, ...] = ()
    surveys: tuple[Survey, ...] = ()


@dataclass(frozen=True, slots=True)
class EnginePlan:
    """One store, ready to work with."""

    version: PlanVersion
    store: StorePlan
    model: PresenceModel
    zones: dict[str, Zone]
    tz: ZoneInfo
    # As assumed of each kind of zone, until `engine.dwell` has read the store's own stays.
    dwell: dict[str, DwellCurve]

    @property
    def gateway_ids(self) -> frozenset[str]:
        """Every gateway of the store."""
        return frozenset(
            place.gateway_id for floor in self.store.floors for place in floor.gateways
        )

    def role(self, zone_id: str) -> ZoneRole:
        """What the zone means for messages."""
        kind = self.zones[zone_id].kind
        return ZoneRole.QUIET if kind in QUIET_KINDS else ZoneRole.SELLING

    def residual_dwell_s(self, zone_id: str, elapsed_s: float) -> float:
        """How much longer a shopper stays who has been in the zone for `elapsed_s`."""
        return float(self.dwell[zone_id].residual_s(elapsed_s))

    def still_here_p(self, zone_id: str, elapsed_s: float, in_s: float) -> float:
        """The probability that a shopper who has been in the zone still is `in_s` from now."""
        return float(self.dwell[zone_id].survival(in_s, elapsed_s))

    def local(self, at: datetime) -> Local:
        """The store's own time."""
        return local_time(at, self.tz, self.store.country)


async def plan_version(tx: AsyncConnection, store_id: str) -> PlanVersion:
    """What a running engine compares with its own, to see that it must be made anew."""
    return PlanVersion(
        saved_at=await stores.changed_at(tx, store_id),
        calibrated_at=await gateway_radios.changed_at(tx, store_id),
        surveyed_at=await surveys.changed_at(tx, store_id),
    )


async def read_plan(tx: AsyncConnection, store_id: str) -> PlanSource:
    """What the plan of a store is made from. Raises PlanError when it cannot be read."""
    # The version first: what is saved while we read only makes us read again.
    version = await plan_version(tx, store_id)
    store = await stores.load_store(tx, store_id)
    assert store is not None, "stores are never deleted"
    return PlanSource(
        version=version,
        store=store,
        radios=tuple(await gateway_radios.load(tx, store_id)),
        surveys=tuple(await surveys.load(tx, store_id)),
    )


def engine_plan(source: PlanSource) -> EnginePlan:
    """The plan ready for work; takes seconds where the store is large, so call it in a thread.

    Raises PlanError when the plan has faults.
    """
    store = source.store
    try:
        tz = ZoneInfo(store.tz)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise PlanError(None, [f"this machine knows no time zone {store.tz}"]) from error
    # A second's work, the first time in a country: here, in the thread, and not at a decision.
    local_time(SOME_DAY, tz, store.country)
    zones = [zone for floor in store.floors for zone in floor.zones]
    return EnginePlan(
        version=source.version,
        store=store,
        model=PresenceModel(store.floors, store.connectors, source.radios, source.surveys),
        zones={zone.zone_id: zone for zone in zones},
        tz=tz,
        dwell=dwell_curves(zones, ()),
    )
