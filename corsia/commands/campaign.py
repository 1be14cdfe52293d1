"""`corsia campaign ...`: the group. Its commands are in modules of their own."""

from typing import Final

import click

from corsia.lazy_group import Commands, LazyGroup

COMMANDS: Final[Commands] = {
    "list": ("corsia.commands.campaign_views:list_campaigns", "Every campaign and how it stands."),
    "show": ("corsia.commands.campaign_views:show", "One campaign, or one version of it, as YAML."),
    "history": ("corsia.commands.campaign_views:history", "Who did what to a campaign, and when."),
    "diff": ("corsia.commands.campaign_views:diff", "What a version says otherwise than another."),
    "preview": (
        "corsia.commands.campaign_preview:preview",
        "What a file's campaigns would have done last week.",
    ),
    "submit": ("corsia.commands.campaign_life:submit", "A draft is ready for somebody's review."),
    "review": ("corsia.commands.campaign_life:review", "Say yes to another's version, or no."),
    "publish": ("corsia.commands.campaign_life:publish", "What was reviewed is sent from now on."),
    "pause": ("corsia.commands.campaign_life:pause", "Send it no more for now."),
    "resume": ("corsia.commands.campaign_life:resume", "Send a paused campaign again."),
    "end": ("corsia.commands.campaign_life:end", "Send it never again."),
}


@click.command(cls=LazyGroup, lazy=COMMANDS)
def campaign() -> None:
    """Campaigns from draft to end: reviewed by a second person, changed version by version.

    They are written as YAML and taken in with `corsia import`; docs/campaigns.md tells how.

    \b
    From a draft to what is sent:
      corsia campaign preview deal.yaml
      corsia import deal.yaml --by anna
      corsia campaign submit pasta-may --by anna
      corsia campaign review pasta-may --by bruno
      corsia campaign publish pasta-may --by anna
    """
