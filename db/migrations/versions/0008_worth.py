"""worth"""

import sqlalchemy as sa
from alembic import op

import db.types

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

IS_MOMENT = sa.text("outcome = 'send' or ghost")


def upgrade() -> None:
    op.create_table(
        "control_salts",
        sa.Column("since", db.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("salt", sa.String(length=64), nullable=False),
        sa.Column("why", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("since", name=op.f("pk_control_salts")),
    )
    op.create_table(
        "tills",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("store_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("added_at", db.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", db.types.UtcDateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["store_id"], ["stores.id"], name=op.f("fk_tills_store_id_stores"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tills")),
        sa.UniqueConstraint("store_id", "name", name=op.f("uq_tills_store_id_name")),
        sa.UniqueConstraint("token_sha256", name=op.f("uq_tills_token_sha256")),
    )
    op.create_index(op.f("ix_tills_store_id"), "tills", ["store_id"])
    op.create_table(
        "member_codes",
        sa.Column("shopper_id", sa.String(length=64), nullable=False),
        sa.Column("since", db.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("until", db.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("code", sa.String(length=16), nullable=False),
        sa.Column("erase_after", db.types.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["shopper_id"],
            ["shoppers.id"],
            name=op.f("fk_member_codes_shopper_id_shoppers"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("shopper_id", "since", name=op.f("pk_member_codes")),
        sa.UniqueConstraint("code", name=op.f("uq_member_codes_code")),
    )
    op.create_index(op.f("ix_member_codes_erase_after"), "member_codes", ["erase_after"])
    op.create_table(
        "purchases",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("store_id", sa.String(length=64), nullable=False),
        sa.Column("receipt_id", sa.String(length=64), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("shopper_id", sa.String(length=64), nullable=False),
        sa.Column("is_member", sa.Boolean(), nullable=False),
        sa.Column("may_profile", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("visit_id", sa.String(length=64), nullable=True),
        sa.Column("product_id", sa.String(length=64), nullable=False),
        sa.Column("category", sa.String(length=64), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("price_cents", sa.Integer(), nullable=False),
        sa.Column("margin_cents", sa.Integer(), nullable=True),
        sa.Column("discount_cents", sa.Integer(), nullable=False),
        sa.Column("decision_id", sa.String(length=64), nullable=True),
        sa.Column("at", db.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("stored_at", db.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("erase_after", db.types.UtcDateTime(timezone=True), nullable=False),
        sa.CheckConstraint("quantity > 0", name=op.f("ck_purchases_something_bought")),
        sa.CheckConstraint(
            "price_cents >= 0 and discount_cents >= 0", name=op.f("ck_purchases_money_not_negative")
        ),
        sa.ForeignKeyConstraint(
            ["shopper_id"],
            ["shoppers.id"],
            name=op.f("fk_purchases_shopper_id_shoppers"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["store_id"],
            ["stores.id"],
            name=op.f("fk_purchases_store_id_stores"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_purchases")),
        sa.UniqueConstraint(
            "store_id", "receipt_id", "line", name=op.f("uq_purchases_store_id_receipt_id_line")
        ),
    )
    op.create_index(op.f("ix_purchases_store_id"), "purchases", ["store_id"])
    op.create_index(op.f("ix_purchases_shopper_id"), "purchases", ["shopper_id"])
    op.create_index(op.f("ix_purchases_erase_after"), "purchases", ["erase_after"])
    op.create_index("ix_purchases_of_shopper", "purchases", ["shopper_id", "at"])
    op.create_index(
        "ix_purchases_of_visit",
        "purchases",
        ["visit_id"],
        sqlite_where=sa.text("is_member = 1"),
        postgresql_where=sa.text("is_member"),
    )
    op.create_table(
        "till_receipts",
        sa.Column("store_id", sa.String(length=64), nullable=False),
        sa.Column("receipt_id", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("erase_after", db.types.UtcDateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["store_id"],
            ["stores.id"],
            name=op.f("fk_till_receipts_store_id_stores"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("store_id", "receipt_id", name=op.f("pk_till_receipts")),
    )
    op.create_index(op.f("ix_till_receipts_erase_after"), "till_receipts", ["erase_after"])
    op.create_table(
        "trials",
        sa.Column("campaign_id", sa.String(length=64), nullable=False),
        sa.Column("since", db.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("until", db.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("goal", sa.String(length=16), nullable=False),
        sa.Column("control_share", sa.Float(), nullable=False),
        sa.Column("within_min", sa.Integer(), nullable=True),
        sa.Column("cut_at", db.types.UtcDateTime(timezone=True), nullable=True),
        sa.Column("answer", sa.JSON(), nullable=True),
        sa.CheckConstraint(
            "control_share >= 0 and control_share <= 1", name=op.f("ck_trials_share_in_range")
        ),
        sa.PrimaryKeyConstraint("campaign_id", "since", name=op.f("pk_trials")),
    )
    op.create_table(
        "campaign_worth",
        sa.Column("campaign_id", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("as_of", db.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("verdict", sa.String(length=24), nullable=True),
        sa.Column("is_settled", sa.Boolean(), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("campaign_id", "day", name=op.f("pk_campaign_worth")),
    )
    op.create_table(
        "worth_days",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("as_of", db.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_worth_days")),
    )
    # A till finds a redemption by its code.
    op.create_index("uq_redemptions_code", "redemptions", ["code"], unique=True)
    op.add_column(
        "redemptions", sa.Column("used_at", db.types.UtcDateTime(timezone=True), nullable=True)
    )
    op.add_column("redemptions", sa.Column("used_store_id", sa.String(length=64), nullable=True))
    op.add_column("redemptions", sa.Column("used_receipt_id", sa.String(length=64), nullable=True))
    op.create_index(
        "ix_decisions_moments",
        "decisions",
        ["shopper_id", "at"],
        sqlite_where=IS_MOMENT,
        postgresql_where=IS_MOMENT,
    )


def downgrade() -> None:
    op.drop_index("ix_decisions_moments", "decisions")
    for column in ("used_receipt_id", "used_store_id", "used_at"):
        op.drop_column("redemptions", column)
    op.drop_index("uq_redemptions_code", "redemptions")
    for table in (
        "worth_days",
        "campaign_worth",
        "trials",
        "till_receipts",
        "purchases",
        "member_codes",
        "tills",
        "control_salts",
    ):
        op.drop_table(table)
