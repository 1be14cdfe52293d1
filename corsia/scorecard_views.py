"""The scorecard for readers: a table for people, a document for machines, and what is not right."""

from dataclasses import asdict
from typing import Final

from rich.table import Table

from corsia.scorecard import Scorecard

# What each figure means, in a sentence; the full definitions stand in corsia.scorecard.
MEANINGS: Final = {
    "aisle_precision": "offers decided while the shopper truly was in that zone",
    "in_aisle_delivery": "pushes shown on the handset while it still was in the zone",
    "entry_to_push_s": "seconds from the true entry to the handset, half and 95 in 100 within",
    "accepted_to_fcm_s": "seconds from the last sighting that was needed to FCM's taking the push",
    "aisle_recall": "true stays of 8 s or more, a push allowed, that got one",
    "wrong_aisle": "offers decided while the shopper was in another zone or in none",
    "flaps_per_min": "zone entries where the handset was not, per minute of presence",
    "cap_violations": "pushes shown beyond a cap; must be 0",
    "consent_violations": "pushes sent without consent at that moment; must be 0",
    "duplicate_pushes": "the same offer twice to one shopper in a visit; must be 0",
    "sightings_lost": "sightings a gateway kept that the engine never saw; must be 0",
    "pushes": "pushes that FCM accepted",
    "shoppers": "shoppers who were in the store",
    "seconds": "length of the run",
}
MUST_BE_ZERO: Final = ("cap_violations", "consent_violations", "duplicate_pushes", "sightings_lost")
# More digits than the truth has would be noise: samples are half a second apart.
DIGITS: Final = 4


def violations(card: Scorecard) -> list[str]:
    """A sentence for each promise that was broken; empty when all were kept."""
    facts = as_json(card)
    return [
        f"{name} is {facts[name]}: {MEANINGS[name]}" for name in MUST_BE_ZERO if facts[name] != 0
    ]


def as_json(card: Scorecard) -> dict[str, object]:
    """The figures by name, ready for `json.dumps`."""
    return {
        name: {part: _rounded(v) for part, v in value.items()}
        if isinstance(value, dict)
        else _rounded(value)
        for name, value in asdict(card).items()
    }


def as_table(card: Scorecard) -> Table:
    """The figures with what each means, for a terminal."""
    table = Table("figure", "value", "what it means")
    table.columns[1].justify = "right"
    for name, value in as_json(card).items():
        style = "bold red" if name in MUST_BE_ZERO and value != 0 else None
        table.add_row(name, _cell(name, value), MEANINGS[name], style=style)
    return table


def _rounded(value: object) -> object:
    return round(value, DIGITS) if isinstance(value, float) else value


def _cell(name: str, value: object) -> str:
    match value:
        case None:
            return "-"
        case dict():
            return "  ".join(f"{part} {_cell(name, v)}" for part, v in value.items())
        case float() if name in ("aisle_precision", "in_aisle_delivery", "aisle_recall"):
            return f"{value:.1%}"
        case float():
            return f"{value:.2f}"
        case _:
            return str(value)
