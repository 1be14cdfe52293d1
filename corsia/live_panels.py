"""The panels of the live view: one function a panel, a picture in, something for rich out."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from rich import box
from rich.align import Align
from rich.console import RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from config.log import short
from corsia.floor_map import FLASH, GATEWAY, STYLES, FloorMap, Marks
from corsia.live_picture import Picture, ProcessRow
from corsia.live_shop import Belief, Reaction, ShownPush, ZoneCount
from corsia.scorecard import Scorecard, Spread

EDGE: Final = "grey42"
QUIET: Final = "grey58"
REACTION_STYLES: Final = {
    Reaction.SHOWN: "default",
    Reaction.OPENED: "cyan",
    Reaction.REDEEMED: "bold green",
}


def header(picture: Picture, store_name: str, api_url: str) -> Text:
    """What runs, for how long, and where."""
    minutes, seconds = divmod(int(picture.up_s), 60)
    hours, minutes = divmod(minutes, 60)
    all_up = picture.gateways_up == picture.gateways
    return Text.assemble(
        (" Corsia ", "bold reverse"),
        f" {store_name}  ",
        (f"{hours}:{minutes:02}:{seconds:02}", "bold"),
        "  ",
        (f"{len(picture.dots)} shoppers", "bold"),
        "  ",
        (f"{picture.gateways_up}/{picture.gateways} gateways", "green" if all_up else "yellow"),
        "  ",
        (f"API {api_url}", QUIET),
        no_wrap=True,
        overflow="ellipsis",
    )


def legend(marks: Marks) -> Text:
    """What the signs of the map mean, and how to end it."""
    parts: list[tuple[str, str]] = []
    for belief in Belief:
        parts += [(marks.beliefs[belief], str(STYLES[belief])), (f" {belief.value}  ", QUIET)]
    parts += [
        (marks.flash, str(FLASH)), (" offer just shown  ", QUIET),
        (marks.gateway, str(GATEWAY)), (" gateway  ", QUIET),
        ("Ctrl-C stops", "bold"),
    ]  # fmt: skip
    return Text.assemble(*parts)


def floor_panel(picture: Picture, floor_map: FloorMap) -> Panel:
    """The floor, with everybody on it."""
    drawn = Align.center(floor_map.drawn(picture.dots), width=floor_map.columns)
    return _panel(drawn, "Who is where, and does Corsia know")


def pushes_panel(picture: Picture, zone_names: Mapping[str, str], most: int) -> Panel:
    """The last offers that were shown."""
    table = _grid(None, 1, None, None, None)
    for push in picture.pushes[:most]:
        table.add_row(
            Text(local_time(push.at_s), QUIET),
            push.title,
            zone_names.get(push.zone_id or "", push.zone_id or "?"),
            _after(push),
            Text(push.reaction.value, REACTION_STYLES[push.reaction]),
        )
    title = f"Offers shown: {picture.pushes_shown}"
    if picture.first_push_s is not None:
        title += f"; first push {picture.first_push_s:.0f} s after the start"
    return _panel(table if picture.pushes else _waiting("no offer yet"), title)


def holds_panel(picture: Picture, zone_names: Mapping[str, str], most: int) -> Panel:
    """The last decisions to say nothing."""
    table = _grid(None, None, 1, None)
    for hold in picture.holds[:most]:
        table.add_row(
            Text(hold.at.astimezone().strftime("%H:%M:%S"), QUIET),
            zone_names.get(hold.zone_id, hold.zone_id),
            Text(hold.words, QUIET),
            Text(short(hold.shopper_id), EDGE),
        )
    content = table if picture.holds else _waiting("nothing was held back yet")
    return _panel(content, "Why nothing was said")


def zones_panel(picture: Picture, zone_names: Mapping[str, str], columns: int) -> Panel:
    """How many are in each zone, and how many the engine believes to be."""
    table = _grid(*(1, None, None, None) * columns)
    rows = -(-len(picture.zones) // columns)
    for first in range(rows):
        cells: list[RenderableType] = []
        for zone in picture.zones[first::rows]:
            cells += _zone_cells(zone, zone_names)
        table.add_row(*cells)
    return _panel(table, "Zones: shoppers there / believed there")


def score_panel(picture: Picture) -> Panel:
    """The scorecard so far."""
    if picture.running is None:
        return _panel(_waiting("nobody to judge yet"), "Scorecard")
    card = picture.running.card
    broken = card.cap_violations + card.consent_violations + card.duplicate_pushes
    rows: list[tuple[str, str | Text]] = [
        ("decided in right aisle", share(card.aisle_precision)),
        ("still there when shown", share(card.in_aisle_delivery)),
        ("entry to push, median", seconds(card.entry_to_push_s.p50)),
        ("entry to push, 95 %", seconds(card.entry_to_push_s.p95)),
        ("stays that got a push", share(card.aisle_recall)),
        ("wrong-place decisions", str(card.wrong_aisle)),
        ("false entries / minute", number(card.flaps_per_min)),
        ("rules broken, repeats", _must_be_zero(broken)),
        ("sightings lost", _must_be_zero(card.sightings_lost)),
        ("sightings on the way", str(picture.running.on_the_way)),
        ("pushes / shoppers", f"{card.pushes} / {card.shoppers}"),
    ]
    table = _grid(1, None)
    table.columns[1].justify = "right"
    for label, value in rows:
        table.add_row(Text(label, QUIET), value)
    return _panel(table, "Scorecard, last 15 minutes")


def processes_panel(picture: Picture) -> Panel:
    """What runs on this machine."""
    table = _grid(1, None, None)
    table.columns[1].justify = table.columns[2].justify = "right"
    for row in picture.processes:
        restarts = f"{row.restarts} restarts" if row.restarts != 1 else "1 restart"
        table.add_row(row.name, _pid(row), Text(restarts, "yellow" if row.restarts else QUIET))
    return _panel(table, "Processes")


def core_figures(card: Scorecard) -> str:
    """The scorecard in a line."""
    broken = card.cap_violations + card.consent_violations + card.duplicate_pushes
    return (
        f"{card.pushes} pushes to {card.shoppers} shoppers; "
        f"{share(card.aisle_precision)} decided in the right aisle, "
        f"{share(card.in_aisle_delivery)} shown there; "
        f"entry to push {_spread(card.entry_to_push_s)}; "
        f"violations {broken}; sightings lost {card.sightings_lost}"
    )


def local_time(at_s: float) -> str:
    """A moment as the clock on the wall shows it."""
    return datetime.fromtimestamp(at_s).astimezone().strftime("%H:%M:%S")


def share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"


def number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _spread(spread: Spread) -> str:
    return f"{seconds(spread.p50)} (95 % within {seconds(spread.p95)})"


def _panel(content: RenderableType, title: str) -> Panel:
    return Panel(
        content, title=f"[bold]{title}[/]", title_align="left", box=box.ROUNDED,
        border_style=EDGE, padding=(0, 1),
    )  # fmt: skip


def _grid(*ratios: int | None) -> Table:
    table = Table.grid(padding=(0, 1, 0, 0), expand=True)
    for ratio in ratios:
        table.add_column(ratio=ratio, no_wrap=True, overflow="ellipsis")
    return table


def _waiting(what: str) -> Text:
    return Text(what, f"{QUIET} italic")


def _after(push: ShownPush) -> Text:
    if push.after_s is None:
        return Text("not there", "red")
    return Text(f"{push.after_s:.1f} s", "default")


def _zone_cells(zone: ZoneCount, zone_names: Mapping[str, str]) -> Sequence[RenderableType]:
    style = "green" if zone.truly == zone.believed else "yellow"
    busy = zone.truly or zone.believed
    return (
        Text(zone_names.get(zone.zone_id, zone.zone_id), "default" if busy else QUIET),
        Text(f"{zone.truly or '-'}".rjust(2), "bold" if busy else QUIET),
        Text(f"{zone.believed or '-'}".rjust(2), style if busy else QUIET),
        " ",
    )


def _must_be_zero(count: int) -> Text:
    return Text(str(count), "bold red" if count else "green")


def _pid(row: ProcessRow) -> Text:
    if row.of > 1:
        text = f"{row.running} of {row.of} up"
    else:
        text = "starting" if row.pid is None else str(row.pid)
    return Text(text, "default" if row.running == row.of else "yellow")
