"""What the engines counted, read from Redis when Prometheus asks: they serve no port."""

import logging
from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from db import stores
from db.connect import Database
from db.live import Live
from mobile_api.problems import AWAY

log = logging.getLogger(__name__)


class _StoreFigures:
    """A collector of what was read."""

    def __init__(self, counts: Mapping[str, Mapping[str, int]], backlog: Mapping[str, int]) -> None:
        self._counts = counts
        self._backlog = backlog

    def collect(self) -> Iterator[Metric]:
        counted = CounterMetricFamily(
            "corsia_engine", "What became of the stream in the engine", labels=("store", "outcome")
        )
        for store_id, outcomes in self._counts.items():
            for outcome, number in outcomes.items():
                counted.add_metric((store_id, outcome), number)
        yield counted
        waiting = GaugeMetricFamily(
            "corsia_stream_backlog", "Batches that no engine is done with", labels=("store",)
        )
        for store_id, number in self._backlog.items():
            waiting.add_metric((store_id,), number)
        yield waiting


async def engine_text(database: Database, live: Live) -> bytes:
    """The engines' figures as Prometheus text; empty while a server is away."""
    try:
        async with database.read() as tx:
            store_ids = await stores.store_ids(tx)
        counts = {store_id: await live.counts(store_id) for store_id in store_ids}
        backlog = {store_id: await live.backlog(store_id) for store_id in store_ids}
    except AWAY as error:
        log.warning("engine figures not read", extra={"error": type(error).__name__})
        return b""
    registry = CollectorRegistry()
    registry.register(_StoreFigures(counts, backlog))
    return generate_latest(registry)
