"""What a person says beside a file: whose plan it is, and where it lies."""

import re
from dataclasses import dataclass
from typing import Final

from beacons.store_plan import GeoAnchor, StorePlan
from corsia.gateway_list import Listed
from corsia.geo_features import Json
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

    gateways: instead of those of the file. stores: what the database has, to fall back on.
    assumed: a name for a plan that nobody names, when it is only looked at; time zone and country
    are then assumed, too.
    """

    store_id: str | None = None
    name: str | None = None
    tz: str | None = None
    country: str | None = None
    anchor: GeoAnchor | None = None
    gateways: tuple[Listed, ...] | None = None
    stores: tuple[StorePlan, ...] = ()
    assumed: str | None = None

    def stored(self, said: Json) -> StorePlan | None:
        """The store of the database that a file is about. said: what the file says of itself."""
        store_id = self.store_id or said.get("store_id")
        return next((store for store in self.stores if store.store_id == store_id), None)

    def store_facts(self, file: str, said: Json, faults: list[Fault]) -> Json:
        """Id, name, time zone and country: as given, else as the file says, else as stored."""
        stored = self.stored(said)
        facts: Json = {}
        for key, option in ASK.items():
            value = getattr(self, key) or said.get(key) or getattr(stored, key, None)
            if value is None and self.assumed is None:
                faults.append(Fault(file, None, "", f"says no {key}: give it with {option}"))
            facts[key] = self._assumed(key) if value is None else value
        return facts

    def _assumed(self, key: str) -> str:
        assumed = {"tz": "UTC", "country": "ZZ"}
        return assumed.get(key) or slug(self.assumed or "", set(), "store")


def slug(text: str, taken: set[str], fallback: str) -> str:
    """An id made of a name, unlike those taken, which it joins."""
    stem = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:56].strip("-") or fallback
    number, name = 1, stem
    while name in taken:
        number += 1
        name = f"{stem}-{number}"
    taken.add(name)
    return name
