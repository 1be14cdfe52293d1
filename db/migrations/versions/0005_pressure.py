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
    # Nothing in a batch: on SQLite that makes a table anew, and all that hangs on it would go.
    # Sends of before were promotions on the only channel; where, their decisions and visits know.
    for column in (
        sa.Column("zone_id", sa.String(length=64), nullable=False, server_default=""),
        sa.Column("store_id", sa.String(length=64), nullable=False, server_default=""),
        sa.Column("channel", sa.String(length=8), nullable=False, server_default="push"),
        sa.Column("categories", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("is_promotion", sa.Boolean(), nullable=False, server_default=sa.true()),
    ):
        op.add_column("sends", column)
    op.execute(
        "update sends set"
        " zone_id = (select zone_id from decisions where decisions.id = sends.decision_id),"
        " store_id = (select store_id from visits where visits.id = sends.visit_id)"
    )
    op.add_column("decisions", sa.Column("nth", sa.Integer(), nullable=False, server_default="0"))
    op.create_index("ix_decisions_in_time", "decisions", ["at", "nth", "id"])
    # Control groups are dealt by the operator's salt from 0008 on, one for all stores.
    op.drop_column("stores", "control_salt")


def downgrade() -> None:
    op.add_column(
        "stores",
        sa.Column("control_salt", sa.String(length=64), nullable=False, server_default=""),
    )
    op.drop_index("ix_decisions_in_time", "decisions")
    op.drop_column("decisions", "nth")
    for name in ("is_promotion", "categories", "channel", "store_id", "zone_id"):
        op.drop_column("sends", name)
    op.drop_table("own_caps")
    op.drop_table("policies")
