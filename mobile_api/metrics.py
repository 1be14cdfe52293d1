"""What is counted about requests: by route template and outcome, never by person."""

from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CollectorRegistry, Counter, Histogram

from config.clock import Clock
from mobile_api.problems import PROBLEM_KIND, route_of

# From a cached answer to the deadline of a request.
_BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
# A client may send any word as its method; each would become a time series.
_METHODS: Final = frozenset(hdrs.METH_ALL)
OTHER_METHOD: Final = "OTHER"


@dataclass(frozen=True, slots=True)
class Metrics:
    """The counters of one application, in a registry of their own."""

    registry: CollectorRegistry
    requests: Counter  # method, route, status
    seconds: Histogram  # route
    problems: Counter  # route, problem
    batches: Counter  # outcome: stored, duplicate or a problem's slug
    sightings: Counter  # outcome: stored, duplicate or refused


METRICS: Final = web.AppKey("metrics", Metrics)


def new_metrics() -> Metrics:
    """Counters at zero."""
    registry = CollectorRegistry(auto_describe=True)
    return Metrics(
        registry,
        Counter(
            "corsia_http_requests",
            "Requests answered",
            ("method", "route", "status"),
            registry=registry,
        ),
        Histogram(
            "corsia_http_request_seconds",
            "Time to answer a request",
            ("route",),
            buckets=_BUCKETS_S,
            registry=registry,
        ),
        Counter(
            "corsia_http_problems",
            "Requests refused, by the problem's slug",
            ("route", "problem"),
            registry=registry,
        ),
        Counter(
            "corsia_batches", "Batches from gateways, by outcome", ("outcome",), registry=registry
        ),
        Counter(
            "corsia_sightings",
            "Sightings in batches that could be read, by outcome",
            ("outcome",),
            registry=registry,
        ),
    )


def metrics_middleware(metrics: Metrics, clock: Clock) -> Middleware:
    """Counts every answer; stands outside the middleware that makes problems."""

    @web.middleware
    async def count(request: web.Request, handler: Handler) -> web.StreamResponse:
        started_s = clock.monotonic_s()
        response = await handler(request)
        route = route_of(request)
        method = request.method if request.method in _METHODS else OTHER_METHOD
        metrics.requests.labels(method, route, str(response.status)).inc()
        metrics.seconds.labels(route).observe(clock.monotonic_s() - started_s)
        kind = response.get(PROBLEM_KIND)
        if kind is not None:
            metrics.problems.labels(route, kind.slug).inc()
        return response

    return count
