"""What the tables of the schema are made of: how things are named, and the columns that recur."""

from typing import Final

from sqlalchemy import Column, ForeignKey, MetaData, String

# Names that Alembic can find again on every dialect.
NAMES: Final = {
    "ix": "ix_%(column_0_N_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
metadata: Final = MetaData(naming_convention=NAMES)


def own_id(name: str = "id") -> Column[str]:
    """The primary key: text that we made."""
    return Column(name, String(64), primary_key=True)


def ref(name: str, target: str, *, nullable: bool = False) -> Column[str]:
    """Another table's row, indexed; this one goes with it."""
    return Column(
        name,
        String(64),
        ForeignKey(target, ondelete="CASCADE"),
        nullable=nullable,
        index=True,
    )


def part_of(name: str, target: str) -> Column[str]:
    """A part of the primary key that is another table's row."""
    return Column(name, String(64), ForeignKey(target, ondelete="CASCADE"), primary_key=True)
