"""The tables of how often a shopper may be spoken to."""

from typing import Final

from sqlalchemy import JSON, CheckConstraint, Column, Integer, String, Table

from db.columns import metadata, part_of
from db.types import BigId, UtcDateTime

# What the retailer allows itself: the newest row holds, the others are history.
policies: Final = Table(
    "policies",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    Column("at", UtcDateTime, nullable=False),
    Column("by", String(120), nullable=False),
    # offers.pressure.Policy
    Column("document", JSON, nullable=False),
)
# What shoppers allow in the app; a shopper without a row leaves it to the retailer.
own_caps: Final = Table(
    "own_caps",
    metadata,
    part_of("shopper_id", "shoppers.id"),
    Column("per_7_days", Integer, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    CheckConstraint("per_7_days >= 0", name="per_7_days_not_negative"),
)
