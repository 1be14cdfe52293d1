"""profiles, what was stated, what was learnt, and what lies on which shelf"""

import sqlalchemy as sa
from alembic import op

import db.types

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "categories",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_categories")),
    )
    op.create_table(
        "learnt",
        sa.Column("since", db.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("since", name=op.f("pk_learnt")),
    )
    op.create_table(
        "products",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("category", sa.String(length=64), nullable=False),
        sa.Column("price_cents", sa.Integer(), nullable=False),
        sa.Column("margin_cents", sa.Integer(), nullable=False),
        sa.CheckConstraint("price_cents > 0", name=op.f("ck_products_price_over_nothing")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_products")),
    )
    op.create_index(op.f("ix_products_category"), "products", ["category"], unique=False)
    op.create_table(
        "campaign_odds",
        sa.Column("since", db.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("campaign_id", sa.String(length=64), nullable=False),
        sa.Column("context", sa.String(length=16), nullable=False),
        sa.Column("shown", sa.Integer(), nullable=False),
        sa.Column("responded", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "responded >= 0 and responded <= shown",
            name=op.f("ck_campaign_odds_responded_of_shown"),
        ),
        sa.ForeignKeyConstraint(
            ["since"],
            ["learnt.since"],
            name=op.f("fk_campaign_odds_since_learnt"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("since", "campaign_id", "context", name=op.f("pk_campaign_odds")),
    )
    op.create_table(
        "profiles",
        sa.Column("shopper_id", sa.String(length=64), nullable=False),
        sa.Column("since", db.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("until", db.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("erase_after", db.types.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["shopper_id"],
            ["shoppers.id"],
            name=op.f("fk_profiles_shopper_id_shoppers"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("shopper_id", "since", name=op.f("pk_profiles")),
    )
    op.create_index(op.f("ix_profiles_erase_after"), "profiles", ["erase_after"], unique=False)
    op.create_index(op.f("ix_profiles_until"), "profiles", ["until"], unique=False)
    op.create_index(
        "uq_profiles_current",
        "profiles",
        ["shopper_id"],
        unique=True,
        sqlite_where=sa.text("until is null"),
        postgresql_where=sa.text("until is null"),
    )
    op.create_table(
        "shelves",
        sa.Column("store_id", sa.String(length=64), nullable=False),
        sa.Column("product_id", sa.String(length=64), nullable=False),
        sa.Column("zone_id", sa.String(length=64), nullable=False),
        sa.Column("in_stock", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["product_id"],
            ["products.id"],
            name=op.f("fk_shelves_product_id_products"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["store_id"], ["stores.id"], name=op.f("fk_shelves_store_id_stores"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("store_id", "product_id", "zone_id", name=op.f("pk_shelves")),
    )
    op.create_table(
        "stated",
        sa.Column("shopper_id", sa.String(length=64), nullable=False),
        sa.Column("category", sa.String(length=64), nullable=False),
        sa.Column("since", db.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("until", db.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("opinion", sa.String(length=8), nullable=False),
        sa.CheckConstraint(
            "opinion in ('wanted', 'unwanted')", name=op.f("ck_stated_opinion_known")
        ),
        sa.ForeignKeyConstraint(
            ["shopper_id"],
            ["shoppers.id"],
            name=op.f("fk_stated_shopper_id_shoppers"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("shopper_id", "category", "since", name=op.f("pk_stated")),
    )
    op.create_index(op.f("ix_stated_until"), "stated", ["until"], unique=False)
    op.create_index(
        "uq_stated_current",
        "stated",
        ["shopper_id", "category"],
        unique=True,
        sqlite_where=sa.text("until is null"),
        postgresql_where=sa.text("until is null"),
    )


def downgrade() -> None:
    op.drop_table("stated")
    op.drop_table("shelves")
    op.drop_table("profiles")
    op.drop_table("campaign_odds")
    op.drop_table("products")
    op.drop_table("learnt")
    op.drop_table("categories")
