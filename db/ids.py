"""New ids: random, 32 hex characters, made here and not by the database."""

import uuid


def new_id() -> str:
    """An id that nobody has had before."""
    return uuid.uuid4().hex
