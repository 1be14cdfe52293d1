"""What a person says beside a file: whose plan it is, and where it lies."""

import re
from dataclasses import dataclass
from typing import Any, Final

from beacons.store_plan import GeoAnchor, StorePlan
from corsia.gateway_list import Listed
from corsia.yaml_lines import Fault

# Field of a store -> how to say it on the command line.
ASK: Final = {
    "store_id": "--store ID",
    "name": "--name 'Milano, Corso Como'",
    "tz": "--tz Europe/Rome",
    "country": "--country IT",
}


@dataclass(frozen=True, slots=True)
class Given:
    """None where nothing was said.

    gateways: instead of those of the file; stored: what the database has under this id, to fall
    back on.
    """

    store_id: str | None = None
    name: str | None = None
    tz: str | None = None
    country: str | None = None
    anchor: GeoAnchor | None = None
    gateways: tuple[Listed, ...] | None = None
    stored: StorePlan | None = None

    def store_facts(self, file: str, said: dict[str, Any], faults: list[Fault]) -> dict[str, Any]:
        """Id, name, time zone and country: as given, else as the file says, else as stored."""
        facts = {}
        for key, option in ASK.items():
            value = getattr(self, key) or said.get(key) or getattr(self.stored, key, None)
            if value is None:
                what = f"says no {key}: give it with {option}"
                faults.append(Fault(file, None, "", what))
            facts[key] = value
        return facts


def slug(text: str, taken: set[str], fallback: str) -> str:
    """An id made of a name, unlike those taken, which it joins."""
    stem = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:56].strip("-") or fallback
    number, name = 1, stem
    while name in taken:
        number += 1
        name = f"{stem}-{number}"
    taken.add(name)
    return name
