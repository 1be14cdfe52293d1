"""The tables of places, shoppers, visits, decisions and pushes.

Instants are UTC, money is integer cents, ids are text that we made.
Rows about people carry `erase_after`. What must not happen twice has a unique constraint.
"""

from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from db.columns import metadata, own_id, part_of, ref
from db.types import BigId, UtcDateTime

# --- places -----------------------------------------------------------------------------------
stores: Final = Table(
    "stores",
    metadata,
    own_id(),
    Column("name", String(120), nullable=False),
    Column("tz", String(64), nullable=False),
    Column("country", String(2), nullable=False),
    # Floors with outline, obstacles, zones and gateway places: read and written whole.
    Column("plan", JSON, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    # When a survey was last added or removed; none until then.
    Column("surveys_changed_at", UtcDateTime),
)
gateways: Final = Table(
    "gateways",
    metadata,
    own_id(),
    ref("store_id", "stores.id"),
    Column("public_key", LargeBinary(32)),
    Column("software", String(64)),
    Column("enrolled_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
    Column("last_batch_at", UtcDateTime),
)
gateway_codes: Final = Table(
    "gateway_codes",
    metadata,
    Column("code_sha256", String(64), primary_key=True),
    ref("gateway_id", "gateways.id"),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
)
# What the engine has taken from each spool, in the transaction that used it: a stream entry seen
# again changes nothing, and a gap in the sequence is a loss that can be counted.
gateway_progress: Final = Table(
    "gateway_progress",
    metadata,
    ref("gateway_id", "gateways.id"),
    Column("boot", String(16), nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("batches", BigInteger, nullable=False),
    Column("sightings", BigInteger, nullable=False),
    UniqueConstraint("gateway_id", "boot"),
)

# What each gateway heard of each fellow's canary, in sums that add up over any span: windows (ten
# seconds each) by their mean, and packets in them. Pruned by the hour.
gateway_links: Final = Table(
    "gateway_links",
    metadata,
    part_of("store_id", "stores.id"),
    part_of("hearer_id", "gateways.id"),
    part_of("heard_id", "gateways.id"),
    Column("hour_at", UtcDateTime, primary_key=True),
    Column("windows", Integer, nullable=False),
    Column("packets", BigInteger, nullable=False),
    Column("sum_dbm", Float, nullable=False),
    Column("sum_dbm2", Float, nullable=False),
    Index("ix_gateway_links_hour_at", "hour_at"),
)
# Calibrations of a store, every gateway in each; the last one is in use, the others are history.
gateway_radios: Final = Table(
    "gateway_radios",
    metadata,
    part_of("store_id", "stores.id"),
    part_of("gateway_id", "gateways.id"),
    Column("calibrated_at", UtcDateTime, primary_key=True),
    Column("offset_db", Float, nullable=False),
    Column("offset_se_db", Float, nullable=False),
    Column("transmit_db", Float, nullable=False),
    Column("transmit_se_db", Float, nullable=False),
    Column("exponent", Float, nullable=False),
    Column("exponent_se", Float, nullable=False),
    Column("sigma_db", Float, nullable=False),
    Column("links", Integer, nullable=False),
    # Kinds and sentences of what was found about it then.
    Column("flags", JSON, nullable=False),
    Index("ix_gateway_radios_last", "store_id", "calibrated_at"),
)

# --- what to say ------------------------------------------------------------------------------
campaigns: Final = Table(
    "campaigns",
    metadata,
    own_id(),
    Column("status", String(16), nullable=False, index=True),
    # The campaign as its author wrote it; offers.campaign is what it means.
    Column("document", JSON, nullable=False),
    Column("sends", Integer, nullable=False, default=0),
    # What these may cost; what a send that came to nothing gives back: never more than it took.
    Column("spent_cents", BigInteger, nullable=False, server_default="0"),
    Column("least_cost_cents", Integer, nullable=False, server_default="0"),
    Column("changed_at", UtcDateTime, nullable=False),
    CheckConstraint("sends >= 0", name="sends_not_negative"),
)

# Moves with each change of what may be sent, so that whoever keeps the campaigns in memory reads
# one number to know whether they are still the same.
catalogue_version: Final = Table(
    "catalogue_version",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
    CheckConstraint("id = 1", name="one_row"),
)
# The kill switches that are thrown. target: of scope store or campaign its id, else empty.
stops: Final = Table(
    "stops",
    metadata,
    Column("scope", String(16), primary_key=True),
    Column("target", String(64), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("why", String(200), nullable=False),
    CheckConstraint("scope in ('everything', 'store', 'campaign')", name="scope_known"),
)

# --- who --------------------------------------------------------------------------------------
shoppers: Final = Table(
    "shoppers",
    metadata,
    own_id(),
    Column("country", String(2), nullable=False),
    Column("locale", String(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("erase_after", UtcDateTime, nullable=False, index=True),
)
handsets: Final = Table(
    "handsets",
    metadata,
    own_id(),
    ref("shopper_id", "shoppers.id"),
    Column("platform", String(8), nullable=False),
    Column("app_version", String(32), nullable=False),
    # The CEID secret, sealed; none without consent to BLE location.
    Column("sealed_secret", LargeBinary(64)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False, index=True),
)
push_targets: Final = Table(
    "push_targets",
    metadata,
    Column(
        "handset_id", String(64), ForeignKey("handsets.id", ondelete="CASCADE"), primary_key=True
    ),
    Column("kind", String(8), nullable=False),
    Column("value", String(512), nullable=False),
    Column("platform", String(8), nullable=False),
    Column("refreshed_at", UtcDateTime, nullable=False),
    Column("retired_at", UtcDateTime),
    Column("retired_why", String(64)),
    CheckConstraint("kind in ('fid', 'token')", name="kind_known"),
)
# Append-only. Kept after erasure under a shopper id that leads nowhere: the proof of consent.
consents: Final = Table(
    "consents",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("shopper_id", String(64), nullable=False),
    Column("purpose", String(32), nullable=False),
    Column("granted", Boolean, nullable=False),
    Column("text_version", String(32), nullable=False),
    Column("locale", String(16), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    # The last answer on a purpose is read in every decision, however long the ledger has grown.
    Index("ix_consents_last", "shopper_id", "purpose", "id"),
)
refresh_tokens: Final = Table(
    "refresh_tokens",
    metadata,
    Column("token_sha256", String(64), primary_key=True),
    ref("handset_id", "handsets.id"),
    Column("family", String(64), nullable=False, index=True),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("used_at", UtcDateTime),
    Column("revoked_at", UtcDateTime),
)
browsing: Final = Table(
    "browsing",
    metadata,
    ref("shopper_id", "shoppers.id"),
    Column("event_id", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("category", String(64), nullable=False),
    Column("product", String(64)),
    Column("at", UtcDateTime, nullable=False),
    Column("erase_after", UtcDateTime, nullable=False, index=True),
    UniqueConstraint("shopper_id", "event_id"),
    Index("ix_browsing_recent", "shopper_id", "at"),
)

# --- what happened ----------------------------------------------------------------------------
visits: Final = Table(
    "visits",
    metadata,
    own_id(),
    ref("shopper_id", "shoppers.id"),
    ref("store_id", "stores.id"),
    Column("handset_id", String(64), nullable=False),
    Column("entered_at", UtcDateTime, nullable=False),
    Column("last_heard_at", UtcDateTime, nullable=False),
    Column("left_at", UtcDateTime),
    Column("erase_after", UtcDateTime, nullable=False, index=True),
    # A handset has one open visit to a store: caps hang on it.
    Index(
        "uq_visits_open",
        "store_id",
        "handset_id",
        unique=True,
        sqlite_where=text("left_at is null"),
        postgresql_where=text("left_at is null"),
    ),
)
zone_visits: Final = Table(
    "zone_visits",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    ref("visit_id", "visits.id"),
    Column("zone_id", String(64), nullable=False),
    Column("entered_at", UtcDateTime, nullable=False),
    Column("left_at", UtcDateTime),
    Column("confidence", Float, nullable=False),
)
decisions: Final = Table(
    "decisions",
    metadata,
    own_id(),
    ref("visit_id", "visits.id"),
    Column("shopper_id", String(64), nullable=False),
    Column("zone_id", String(64), nullable=False),
    Column("outcome", String(8), nullable=False),
    # The campaign sent, or of a hold the one that came nearest; `ghost` marks a control group's.
    Column("campaign_id", String(64)),
    Column("ghost", Boolean, nullable=False),
    Column("reasons", JSON, nullable=False),
    # Every candidate with its score and reasons, and what the decision saw.
    Column("weighed", JSON, nullable=False),
    Column("seen", JSON, nullable=False),
    Column("heard_at", UtcDateTime, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    # Among those that were taken at the same instant in one store.
    Column("nth", Integer, nullable=False, default=0),
    Column("erase_after", UtcDateTime, nullable=False, index=True),
    CheckConstraint("outcome in ('send', 'hold')", name="outcome_known"),
    Index("ix_decisions_of_shopper", "shopper_id", "at"),
    # For whoever goes through them in the order of time.
    Index("ix_decisions_in_time", "at", "nth", "id"),
    # What campaigns are judged by: a few of the many decisions.
    Index(
        "ix_decisions_moments",
        "shopper_id",
        "at",
        sqlite_where=text("outcome = 'send' or ghost"),
        postgresql_where=text("outcome = 'send' or ghost"),
    ),
)
sends: Final = Table(
    "sends",
    metadata,
    Column(
        "decision_id", String(64), ForeignKey("decisions.id", ondelete="CASCADE"), primary_key=True
    ),
    ref("shopper_id", "shoppers.id"),
    Column("campaign_id", String(64), nullable=False, index=True),
    ref("visit_id", "visits.id"),
    # What it counts against: offers.pressure.Message.
    Column("zone_id", String(64), nullable=False),
    Column("store_id", String(64), nullable=False),
    Column("channel", String(8), nullable=False),
    Column("categories", JSON, nullable=False),
    Column("is_promotion", Boolean, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    # Set when it reached no handset: it then counts against no cap.
    Column("released_at", UtcDateTime),
    UniqueConstraint("shopper_id", "campaign_id", "visit_id"),
)
outbox: Final = Table(
    "outbox",
    metadata,
    Column(
        "decision_id",
        String(64),
        ForeignKey("sends.decision_id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("handset_id", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    # FCM may have taken it although nobody knows: it then counts against the caps for good.
    Column("maybe_sent", Boolean, nullable=False),
    Column("lease", String(64)),
    Column("leased_until", UtcDateTime),
    Column("outcome", String(16)),
    Column("why", String(120)),
    Column("settled_at", UtcDateTime),
    UniqueConstraint("decision_id", "handset_id"),
    Index("ix_outbox_due", "state", "due_at"),
    Index(
        "ix_outbox_leased",
        "lease",
        sqlite_where=text("lease is not null"),
        postgresql_where=text("lease is not null"),
    ),
)
receipts: Final = Table(
    "receipts",
    metadata,
    ref("decision_id", "decisions.id"),
    Column("receipt_id", String(64), nullable=False),
    Column("handset_id", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    UniqueConstraint("handset_id", "receipt_id"),
    UniqueConstraint("decision_id", "handset_id", "kind"),
)
redemptions: Final = Table(
    "redemptions",
    metadata,
    own_id(),
    Column(
        "decision_id",
        String(64),
        ForeignKey("sends.decision_id", ondelete="CASCADE"),
        nullable=False,
        unique=True,
    ),
    ref("shopper_id", "shoppers.id"),
    Column("campaign_id", String(64), nullable=False, index=True),
    Column("idempotency_key", String(64), nullable=False),
    Column("code", Text, nullable=False),
    Column("at", UtcDateTime, nullable=False),
    # The till receipt that it went into: it is money from then on.
    Column("used_at", UtcDateTime),
    Column("used_store_id", String(64)),
    Column("used_receipt_id", String(64)),
    Index("uq_redemptions_code", "code", unique=True),
)
