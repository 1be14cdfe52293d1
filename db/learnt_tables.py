"""The tables of what is learnt: of one shopper, and from all of them together.

What a decision rests on is never changed in place: a row holds from `since` on until, if not empty,
`until`, and stays beside its successor for a while, so that a past decision can be taken again.
"""

from typing import Final

from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    text,
)

from db.columns import metadata, own_id, part_of
from db.types import UtcDateTime

# One current row for each shopper who allows profiling and of whom anything is known.
profiles: Final = Table(
    "profiles",
    metadata,
    part_of("shopper_id", "shoppers.id"),
    Column("since", UtcDateTime, primary_key=True),
    Column("until", UtcDateTime, index=True),
    # offers.known.Profile without what was stated.
    Column("document", JSON, nullable=False),
    # When the first of the facts that it was made of is erased.
    Column("erase_after", UtcDateTime, nullable=False, index=True),
    Index(
        "uq_profiles_current",
        "shopper_id",
        unique=True,
        sqlite_where=text("until is null"),
        postgresql_where=text("until is null"),
    ),
)
# What shoppers said of categories. It needs no profiling: they said it for this very use.
stated: Final = Table(
    "stated",
    metadata,
    part_of("shopper_id", "shoppers.id"),
    Column("category", String(64), primary_key=True),
    Column("since", UtcDateTime, primary_key=True),
    Column("until", UtcDateTime, index=True),
    Column("opinion", String(8), nullable=False),
    CheckConstraint("opinion in ('wanted', 'unwanted')", name="opinion_known"),
    Index(
        "uq_stated_current",
        "shopper_id",
        "category",
        unique=True,
        sqlite_where=text("until is null"),
        postgresql_where=text("until is null"),
    ),
)

# What all of them together have taught, night by night; the newest is in use. About nobody.
learnt: Final = Table(
    "learnt",
    metadata,
    Column("since", UtcDateTime, primary_key=True),
    # offers.known.Learnt without the names of categories.
    Column("document", JSON, nullable=False),
)
# How often each campaign was shown and answered, by how keen the score took the shoppers to be.
campaign_odds: Final = Table(
    "campaign_odds",
    metadata,
    Column("since", UtcDateTime, ForeignKey("learnt.since", ondelete="CASCADE"), primary_key=True),
    Column("campaign_id", String(64), primary_key=True),
    Column("context", String(16), primary_key=True),
    Column("shown", Integer, nullable=False),
    Column("responded", Integer, nullable=False),
    CheckConstraint("responded >= 0 and responded <= shown", name="responded_of_shown"),
)

# What categories are called.
categories: Final = Table(
    "categories",
    metadata,
    own_id(),
    Column("name", String(80), nullable=False),
)
# What is sold and what lies on which shelf: the retailer's, taken in from files.
products: Final = Table(
    "products",
    metadata,
    own_id(),
    Column("since", UtcDateTime, primary_key=True, index=True),
    Column("until", UtcDateTime, index=True),
    Column("name", String(120), nullable=False),
    Column("category", String(64), nullable=False),
    Column("price_cents", Integer, nullable=False),
    Column("margin_cents", Integer, nullable=False),
    CheckConstraint("price_cents > 0", name="price_over_nothing"),
    Index(
        "uq_products_current",
        "id",
        unique=True,
        sqlite_where=text("until is null"),
        postgresql_where=text("until is null"),
    ),
)
shelves: Final = Table(
    "shelves",
    metadata,
    part_of("store_id", "stores.id"),
    Column("product_id", String(64), primary_key=True),
    Column("zone_id", String(64), primary_key=True),
    Column("since", UtcDateTime, primary_key=True),
    Column("until", UtcDateTime, index=True),
    Column("in_stock", Boolean, nullable=False),
    Index("ix_shelves_of_store", "store_id", "since"),
    Index(
        "uq_shelves_current",
        "store_id",
        "product_id",
        "zone_id",
        unique=True,
        sqlite_where=text("until is null"),
        postgresql_where=text("until is null"),
    ),
)
