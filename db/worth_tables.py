"""The tables of what campaigns are worth: salts, purchases, and what is credited to whom."""

from typing import Final

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Float,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    false,
    text,
)

from db.columns import metadata, own_id, part_of, ref
from db.types import UtcDateTime

# By which shoppers are dealt into arms, from `since` until the next. Never deleted: the arms of the
# past are told by them.
control_salts: Final = Table(
    "control_salts",
    metadata,
    Column("since", UtcDateTime, primary_key=True),
    Column("salt", String(64), nullable=False),
    Column("why", String(200), nullable=False),
)
# Who may send till receipts. Only the hash of a token is kept.
tills: Final = Table(
    "tills",
    metadata,
    own_id(),
    ref("store_id", "stores.id"),
    Column("name", String(64), nullable=False),
    Column("token_sha256", String(64), nullable=False, unique=True),
    Column("added_at", UtcDateTime, nullable=False),
    Column("revoked_at", UtcDateTime),
    UniqueConstraint("store_id", "name"),
)
# What the app shows at the till: good for half an hour, kept a little for receipts that are late.
member_codes: Final = Table(
    "member_codes",
    metadata,
    part_of("shopper_id", "shoppers.id"),
    Column("since", UtcDateTime, primary_key=True),
    Column("until", UtcDateTime, nullable=False),
    Column("code", String(16), nullable=False, unique=True),
    Column("erase_after", UtcDateTime, nullable=False, index=True),
)
# Lines of till receipts of shoppers that the till knew.
purchases: Final = Table(
    "purchases",
    metadata,
    own_id(),
    ref("store_id", "stores.id"),
    Column("receipt_id", String(64), nullable=False),
    Column("line", Integer, nullable=False),
    ref("shopper_id", "shoppers.id"),
    # Whether the shopper showed who they are, and did not only use a coupon. Coupons are for one
    # side of an experiment: what is known through them alone is never compared.
    Column("is_member", Boolean, nullable=False),
    # Whether they allowed profiling when they paid, and until now. Of others a line is money alone.
    Column("may_profile", Boolean, nullable=False, server_default=false()),
    Column("visit_id", String(64)),
    Column("product_id", String(64), nullable=False),
    Column("category", String(64), nullable=False),
    Column("quantity", Integer, nullable=False),
    # Of all pieces of the line, before the discount; margin: none where the till does not know it.
    Column("price_cents", Integer, nullable=False),
    Column("margin_cents", Integer),
    Column("discount_cents", Integer, nullable=False),
    # The decision whose coupon was redeemed on this line.
    Column("decision_id", String(64)),
    Column("at", UtcDateTime, nullable=False),
    Column("stored_at", UtcDateTime, nullable=False),
    Column("erase_after", UtcDateTime, nullable=False, index=True),
    UniqueConstraint("store_id", "receipt_id", "line"),
    CheckConstraint("quantity > 0", name="something_bought"),
    CheckConstraint("price_cents >= 0 and discount_cents >= 0", name="money_not_negative"),
    Index("ix_purchases_of_shopper", "shopper_id", "at"),
    # What was bought on a visit, by whoever showed who they are.
    Index(
        "ix_purchases_of_visit",
        "visit_id",
        sqlite_where=text("is_member = 1"),
        postgresql_where=text("is_member"),
    ),
)
# What was on a receipt of which something was kept, as a hash: for as long as it may be sent again.
till_receipts: Final = Table(
    "till_receipts",
    metadata,
    part_of("store_id", "stores.id"),
    Column("receipt_id", String(64), primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("erase_after", UtcDateTime, nullable=False, index=True),
)
# The questions asked of campaigns: fixed before the answer is known. campaign_id: empty asks it of
# all campaigns together. cut_at: the campaign or the salt was changed, and another trial began.
# answer: offers.worth.Finding, once nothing more will be learnt; it stands whatever is erased.
trials: Final = Table(
    "trials",
    metadata,
    Column("campaign_id", String(64), primary_key=True),
    Column("since", UtcDateTime, primary_key=True),
    Column("until", UtcDateTime, nullable=False),
    Column("goal", String(16), nullable=False),
    Column("control_share", Float, nullable=False),
    Column("within_min", Integer),
    Column("cut_at", UtcDateTime),
    Column("answer", JSON),
    CheckConstraint("control_share >= 0 and control_share <= 1", name="share_in_range"),
)
# What each campaign had earned on a day: sums about nobody. The row of a campaign that is settled
# stands for good, whatever is erased afterwards; of the others old days go.
campaign_worth: Final = Table(
    "campaign_worth",
    metadata,
    Column("campaign_id", String(64), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("as_of", UtcDateTime, nullable=False),
    Column("verdict", String(24)),
    Column("is_settled", Boolean, nullable=False),
    # offers.report.CampaignWorth.
    Column("document", JSON, nullable=False),
)
# What all campaigns together had earned and missed on a day.
worth_days: Final = Table(
    "worth_days",
    metadata,
    Column("day", Date, primary_key=True),
    Column("as_of", UtcDateTime, nullable=False),
    Column("document", JSON, nullable=False),
)
