"""The command line's root: every command, and where it is."""

from typing import Final

import click

from corsia.lazy_group import Commands, LazyGroup

COMMANDS: Final[Commands] = {
    "up": ("corsia.commands.up:up", "Run everything on this machine; --demo with a store."),
    "rehearse": ("corsia.commands.rehearse:rehearse", "Play a simulated store; print its score."),
    "import": ("corsia.commands.plans:import_plan", "Take in stores and campaigns from YAML."),
    "export": ("corsia.commands.plans:export_plan", "Write stores and campaigns as YAML."),
    "campaign": ("corsia.commands.campaign:campaign", "From draft to review to live, and its end."),
    "store": ("corsia.commands.store:store", "A store's plan: check, exchange, calibrate, survey."),
    "db": ("corsia.commands.database:db", "The database's schema: upgrade, status."),
    "doctor": ("corsia.commands.doctor:doctor", "What is installed, reachable, mis-set."),
    "gateway": ("corsia.commands.gateway:gateway", "On a Raspberry Pi: enrol, run, decode."),
    "code": ("corsia.commands.codes:code", "Make a one-time code that enrols a gateway."),
    "revoke": ("corsia.commands.codes:revoke", "Refuse a gateway that was lost or replaced."),
    "sim": ("corsia.commands.sim:sim", "The simulated store and its radio."),
    "halt": ("corsia.commands.halt:halt", "Stop sending offers at once: all, a store's, one."),
    "resume": ("corsia.commands.halt:resume", "Send offers again that were halted."),
    "policy": ("corsia.commands.policy:policy", "How often a shopper may be spoken to: show, set."),
    "explain": ("corsia.commands.explain:explain", "Why an offer was sent, or was not."),
    "worth": ("corsia.commands.worth:worth_command", "What campaigns cost and earned."),
    "products": (
        "corsia.commands.products:products_command",
        "What is sold, and what lies on which shelf: import, list.",
    ),
    "learn": ("corsia.commands.learn:learn", "What shoppers and responses teach: learn now."),
    "till": ("corsia.commands.till:till", "Let tills send receipts, and shut them out."),
    "api": ("corsia.commands.serve:api", "One process: HTTP for handsets and gateways."),
    "engine": ("corsia.commands.serve:engine", "One process: presence and decisions."),
    "push": ("corsia.commands.serve:push", "One process: the outbox to Firebase."),
    "jobs": (
        "corsia.commands.serve:jobs",
        "One process: erases, calibrates, learns, counts what offers earned.",
    ),
}


@click.command(
    cls=LazyGroup,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Settings are read from CORSIA_... environment variables; `corsia api --check` lists "
    "them. First time here? `corsia up --demo`.",
)
@click.version_option(package_name="corsia", prog_name="corsia")
def main() -> None:
    """Corsia: the right offer, in the right aisle, while the shopper is still there."""
