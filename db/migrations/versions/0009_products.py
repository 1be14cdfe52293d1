"""products and shelves are kept as they were; what lay in them could not be written by a command"""

import sqlalchemy as sa
from alembic import op

import db.types

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_CURRENT = sa.text("until is null")


def upgrade() -> None:
    op.drop_table("shelves")
    op.drop_table("products")
    op.create_table(
        "products",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("since", db.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("until", db.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("category", sa.String(length=64), nullable=False),
        sa.Column("price_cents", sa.Integer(), nullable=False),
        sa.Column("margin_cents", sa.Integer(), nullable=False),
        sa.CheckConstraint("price_cents > 0", name=op.f("ck_products_price_over_nothing")),
        sa.PrimaryKeyConstraint("id", "since", name=op.f("pk_products")),
    )
    op.create_index(op.f("ix_products_since"), "products", ["since"], unique=False)
    op.create_index(op.f("ix_products_until"), "products", ["until"], unique=False)
    _create_current("products", ["id"])
    op.create_table(
        "shelves",
        sa.Column("store_id", sa.String(length=64), nullable=False),
        sa.Column("product_id", sa.String(length=64), nullable=False),
        sa.Column("zone_id", sa.String(length=64), nullable=False),
        sa.Column("since", db.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("until", db.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("in_stock", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["store_id"], ["stores.id"], name=op.f("fk_shelves_store_id_stores"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(
            "store_id", "product_id", "zone_id", "since", name=op.f("pk_shelves")
        ),
    )
    op.create_index("ix_shelves_of_store", "shelves", ["store_id", "since"], unique=False)
    op.create_index(op.f("ix_shelves_until"), "shelves", ["until"], unique=False)
    _create_current("shelves", ["store_id", "product_id", "zone_id"])


def downgrade() -> None:
    op.drop_table("shelves")
    op.drop_table("products")
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


def _create_current(table: str, columns: list[str]) -> None:
    """Of the rows of one thing only one holds on."""
    op.create_index(
        f"uq_{table}_current",
        table,
        columns,
        unique=True,
        sqlite_where=_CURRENT,
        postgresql_where=_CURRENT,
    )
