"""The tables of campaigns: their versions, and who did what to them."""

from typing import Final

from sqlalchemy import JSON, CheckConstraint, Column, Integer, String, Table

from db.columns import metadata, part_of, ref
from db.types import BigId, UtcDateTime

# What people wrote, each version whole. Only its state moves; what is sent stands in `campaigns`.
campaign_versions: Final = Table(
    "campaign_versions",
    metadata,
    part_of("campaign_id", "campaigns.id"),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("state", String(16), nullable=False),
    # offers.campaign, as in `campaigns`.
    Column("document", JSON, nullable=False),
    Column("author", String(120), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("reviewed_by", String(120)),
    Column("reviewed_at", UtcDateTime),
    CheckConstraint("number > 0", name="number_positive"),
    CheckConstraint("reviewed_by <> author", name="reviewed_by_another"),
)
# Append-only.
campaign_events: Final = Table(
    "campaign_events",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=True),
    ref("campaign_id", "campaigns.id"),
    Column("number", Integer, nullable=False),
    # offers.versions.Deed
    Column("deed", String(16), nullable=False),
    Column("by", String(120), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("note", String(400), nullable=False),
)
