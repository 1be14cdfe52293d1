"""`corsia store ...`: the group. Each of its commands is in a module of its own."""

from typing import Final

import click

from corsia.lazy_group import Commands, LazyGroup

COMMANDS: Final[Commands] = {
    "lint": ("corsia.commands.store_lint:lint_store", "What is wrong or weak in a plan."),
    "import": ("corsia.commands.store_import:import_store", "Take in a plan: GeoJSON, IMDF, YAML."),
    "export": ("corsia.commands.store_export:export_store", "Write a plan: GeoJSON, IMDF, YAML."),
    "dwell": ("corsia.commands.store_dwell:dwell", "How long shoppers stay in each zone."),
    "calibrate": ("corsia.commands.store_calibrate:calibrate", "Gateways beside their fellows."),
    "survey": ("corsia.commands.store_survey:survey", "Walk it once; presence knows it better."),
}


@click.command(cls=LazyGroup, lazy=COMMANDS)
def store() -> None:
    """A store as a place: its floors, zones and gateways.

    STORE is a store's id, as `corsia export` writes it.
    """
