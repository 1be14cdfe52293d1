"""policies, shoppers' own caps, and what each send counts against"""

import sqlalchemy as sa
from alembic import op

import db.types

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "policies",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("at", db.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("by", sa.String(length=120), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_policies")),
    )
    op.create_table(
        "own_caps",
        sa.Column("shopper_id", sa.String(length=64), nullable=False),
        sa.Column("per_7_days", sa.Integer(), nullable=False),
        sa.Column("changed_at", db.types.UtcDateTime(timezone=True), nullable=False),
        sa.CheckConstraint("per_7_days >= 0", name=op.f("ck_own_caps_per_7_days_not_negative")),
        sa.ForeignKeyConstraint(
            ["shopper_id"],
            ["shoppers.id"],
            name=op.f("fk_own_caps_shopper_id_shoppers"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("shopper_id", name=op.f("pk_own_caps")),
    )
    # Sends of before were promotions on the only channel; where, their decisions and visits know.
    op.add_column("sends", sa.Column("zone_id", sa.String(length=64)))
    op.add_column("sends", sa.Column("store_id", sa.String(length=64)))
    op.add_column("sends", sa.Column("channel", sa.String(length=8), server_default="push"))
    op.add_column("sends", sa.Column("categories", sa.JSON(), server_default="[]"))
    op.add_column("sends", sa.Column("is_promotion", sa.Boolean(), server_default=sa.true()))
    op.execute(
        "update sends set"
        " zone_id = (select zone_id from decisions where decisions.id = sends.decision_id),"
        " store_id = (select store_id from visits where visits.id = sends.visit_id)"
    )
    with op.batch_alter_table("sends") as sends:
        sends.alter_column("zone_id", existing_type=sa.String(length=64), nullable=False)
        sends.alter_column("store_id", existing_type=sa.String(length=64), nullable=False)
        for name, kind in (
            ("channel", sa.String(length=8)),
            ("categories", sa.JSON()),
            ("is_promotion", sa.Boolean()),
        ):
            sends.alter_column(name, existing_type=kind, nullable=False, server_default=None)

    with op.batch_alter_table("decisions") as decisions:
        decisions.add_column(sa.Column("nth", sa.Integer(), nullable=False, server_default="0"))
        decisions.create_index("ix_decisions_in_time", ["at", "nth", "id"])
    with op.batch_alter_table("decisions") as decisions:
        decisions.alter_column("nth", existing_type=sa.Integer(), server_default=None)
    # Control groups are dealt by the operator's salt from 0008 on, one for all stores.
    with op.batch_alter_table("stores") as stores:
        stores.drop_column("control_salt")


def downgrade() -> None:
    with op.batch_alter_table("decisions") as decisions:
        decisions.drop_index("ix_decisions_in_time")
        decisions.drop_column("nth")
    with op.batch_alter_table("stores") as stores:
        stores.add_column(
            sa.Column("control_salt", sa.String(length=64), nullable=False, server_default="")
        )
    with op.batch_alter_table("sends") as sends:
        for name in ("zone_id", "store_id", "channel", "categories", "is_promotion"):
            sends.drop_column(name)
    op.drop_table("own_caps")
    op.drop_table("policies")
