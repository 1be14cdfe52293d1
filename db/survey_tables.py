"""The tables of walk surveys: how loud a handset is where in a store."""

from typing import Final

from sqlalchemy import JSON, Column, Float, String, Table

from db.columns import metadata, own_id, part_of, ref
from db.types import UtcDateTime

# What walk surveys measured: how loud a handset is where. Whose it was is not kept.
surveys: Final = Table(
    "surveys",
    metadata,
    own_id(),
    ref("store_id", "stores.id"),
    Column("made_at", UtcDateTime, nullable=False),
    # Places with what each gateway heard there: read and written whole.
    Column("places", JSON, nullable=False),
)
# Surveys being walked now, one a handset. The recorder renews `open_until`; one that died cannot.
survey_walks: Final = Table(
    "survey_walks",
    metadata,
    part_of("handset_id", "handsets.id"),
    ref("store_id", "stores.id"),
    Column("survey_id", String(64), nullable=False, unique=True),
    Column("opened_at", UtcDateTime, nullable=False),
    Column("open_until", UtcDateTime, nullable=False),
    Column("erase_after", UtcDateTime, nullable=False, index=True),
)
# "I am here now", said on the handset; gone with the walk.
survey_taps: Final = Table(
    "survey_taps",
    metadata,
    part_of("handset_id", "survey_walks.handset_id"),
    Column("tap_id", String(64), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
    Column("floor_id", String(64), nullable=False),
    Column("x_m", Float, nullable=False),
    Column("y_m", Float, nullable=False),
    Column("kind", String(8), nullable=False),
)
