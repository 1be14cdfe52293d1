"""Databases that are there already, so that each test need not migrate one."""

from tests.db.prepared import migrated_file, prepared_database

__all__ = ["migrated_file", "prepared_database"]
