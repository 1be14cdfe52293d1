"""versions of campaigns, their history, and what their sends may cost"""

import sqlalchemy as sa
from alembic import op

import db.types

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "campaign_versions",
        sa.Column("campaign_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("author", sa.String(length=120), nullable=False),
        sa.Column("created_at", db.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("reviewed_by", sa.String(length=120)),
        sa.Column("reviewed_at", db.types.UtcDateTime(timezone=True)),
        sa.CheckConstraint("number > 0", name=op.f("ck_campaign_versions_number_positive")),
        sa.CheckConstraint(
            "reviewed_by <> author", name=op.f("ck_campaign_versions_reviewed_by_another")
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
            name=op.f("fk_campaign_versions_campaign_id_campaigns"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("campaign_id", "number", name=op.f("pk_campaign_versions")),
    )
    op.create_table(
        "campaign_events",
        sa.Column("id", db.types.BigId, autoincrement=True, nullable=False),
        sa.Column("campaign_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("deed", sa.String(length=16), nullable=False),
        sa.Column("by", sa.String(length=120), nullable=False),
        sa.Column("at", db.types.UtcDateTime(timezone=True), nullable=False),
        sa.Column("note", sa.String(length=400), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"],
            ["campaigns.id"],
            name=op.f("fk_campaign_events_campaign_id_campaigns"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign_events")),
    )
    op.create_index(op.f("ix_campaign_events_campaign_id"), "campaign_events", ["campaign_id"])
    # Not in a batch: SQLite would copy the table, and lose its check on the way.
    op.add_column(
        "campaigns", sa.Column("spent_cents", sa.BigInteger(), nullable=False, server_default="0")
    )
    op.add_column(
        "campaigns", sa.Column("least_cost_cents", sa.Integer(), nullable=False, server_default="0")
    )
    _price_what_was_sent()


def _price_what_was_sent() -> None:
    """What was sent of each campaign cost what its document says."""
    campaigns = sa.table(
        "campaigns",
        sa.column("id", sa.String),
        sa.column("document", sa.JSON),
        sa.column("sends", sa.Integer),
        sa.column("spent_cents", sa.BigInteger),
        sa.column("least_cost_cents", sa.Integer),
    )
    bind = op.get_bind()
    rows = bind.execute(sa.select(campaigns.c.id, campaigns.c.document, campaigns.c.sends)).all()
    for row in rows:
        cost_cents = row.document.get("offer", {}).get("cost_cents", 0)
        bind.execute(
            sa.update(campaigns)
            .where(campaigns.c.id == row.id)
            .values(spent_cents=row.sends * cost_cents, least_cost_cents=cost_cents)
        )


def downgrade() -> None:
    op.drop_column("campaigns", "least_cost_cents")
    op.drop_column("campaigns", "spent_cents")
    op.drop_table("campaign_events")
    op.drop_table("campaign_versions")
