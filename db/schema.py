"""Every table there is: what migrations are compared with, and what the tests empty."""

from typing import Final

from sqlalchemy import MetaData

from db import (
    campaign_tables,
    columns,
    learnt_tables,
    pressure_tables,
    survey_tables,
    tables,
    worth_tables,
)

# Importing the modules is what puts their tables into the metadata.
MODULES: Final = (
    tables, survey_tables, campaign_tables, learnt_tables, pressure_tables, worth_tables,
)  # fmt: skip
metadata: Final[MetaData] = columns.metadata
