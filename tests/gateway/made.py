"""Sightings and adverts made up for tests."""

from beacons import ceid
from beacons.sighting import Sighting
from gateway.source import Advert
from tests.gateway.ingest_server import NAMESPACE

AT_MS = 1_790_000_000_000


def sighting(number: int, at_ms: int = AT_MS) -> Sighting:
    return Sighting("ceid", f"{number:024x}", at_ms, 2, -61.5, -60)


def sightings(count: int) -> list[Sighting]:
    return [sighting(number) for number in range(count)]


def advert(
    number: int, at_ms: int = AT_MS, rssi_dbm: int = -60, namespace: bytes = NAMESPACE
) -> Advert:
    data = ceid.advert_data(number.to_bytes(10), ceid.window(at_ms / 1000), namespace, flags=0x1A)
    return Advert(at_ms, "c0:ff:ee:00:00:01", rssi_dbm, data)
