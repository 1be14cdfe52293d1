"""The engines' figures in /metrics."""

from mobile_api.parts import LIVE
from tests.mobile_api.harness import STORE, Api


async def test_what_the_engine_could_not_resolve_is_counted_for_prometheus(api: Api) -> None:
    await api.app[LIVE].count(STORE, {"unknown_sightings": 3})
    await api.app[LIVE].count(STORE, {"unknown_sightings": 2})

    counted = await api.metric("corsia_engine_total", store=STORE, outcome="unknown_sightings")

    assert counted == 5
