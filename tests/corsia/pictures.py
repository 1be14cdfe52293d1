"""A moment of a demonstration, to draw."""

from datetime import UTC, datetime

from corsia.held_back import HeldBack
from corsia.live_picture import Picture, ProcessRow
from corsia.live_shop import Belief, Dot, Reaction, ShownPush, ZoneCount
from corsia.running_score import Running
from corsia.scorecard import Scorecard, Spread
from firmware_sim.floor import supermarket
from offers.situation import Reason

FLOOR = supermarket()
AT = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
CARD = Scorecard(
    aisle_precision=0.97,
    in_aisle_delivery=0.9,
    entry_to_push_s=Spread(4.3, 8.9),
    accepted_to_fcm_s=Spread(0.08, 0.19),
    aisle_recall=0.5,
    wrong_aisle=1,
    flaps_per_min=0.4,
    cap_violations=0,
    consent_violations=0,
    duplicate_pushes=0,
    sightings_lost=0,
    pushes=30,
    shoppers=40,
    seconds=300.0,
)
PUSH = ShownPush(
    at_s=AT.timestamp(),
    handset_id="h1",
    decision_id="d1",
    zone_id="aisle-2",
    shown_zone="aisle-2",
    after_s=4.8,
    reaction=Reaction.OPENED,
    title="Pasta 2 for 1",
)
EMPTY = Picture(
    at=AT,
    up_s=0.0,
    came=0,
    gateways_up=0,
    gateways=12,
    dots=(),
    zones=tuple(ZoneCount(zone.zone_id, 0, 0) for zone in FLOOR.zones),
    pushes=(),
    pushes_shown=0,
    first_push_s=None,
    holds=(),
    running=None,
    processes=(),
)
BUSY = Picture(
    at=AT,
    up_s=3_725.4,
    came=44,
    gateways_up=12,
    gateways=12,
    dots=tuple(Dot(0.7 * n, 0.5 * n, list(Belief)[n % 4], n == 7) for n in range(40)),
    zones=tuple(ZoneCount(zone.zone_id, n % 3, n % 2) for n, zone in enumerate(FLOOR.zones)),
    pushes=(PUSH,) * 60,
    pushes_shown=75,
    first_push_s=34.2,
    holds=(HeldBack(AT, "v1", "s1", "aisle-3", Reason.COOL_DOWN),) * 40,
    running=Running(CARD, on_the_way=12),
    processes=(
        ProcessRow("simulator", 4_000, 1, 1, 0),
        ProcessRow("api", 4_001, 1, 1, 1),
        ProcessRow("engine", None, 0, 1, 0),
        ProcessRow("push", 4_003, 1, 1, 0),
        ProcessRow("jobs", 4_004, 1, 1, 0),
        ProcessRow("gateways", None, 11, 12, 3),
    ),
)
