"""The OpenAPI document, and whether the API does as it says, by cases made from the document."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis import GenerationMode, SerializationContext
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    positive_data_acceptance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from beacons.sighting import MSGPACK
from config.http_signature import signed_headers
from db.connect import Database
from mobile_api.app import OPERATIONS, TITLE, VERSION
from mobile_api.openapi import document
from mobile_api.operations import Security, template
from mobile_api.parts import Rate, Rates
from tests.mobile_api.conftest import Serve
from tests.mobile_api.harness import Api, Phone, Pi

DOCUMENT = document(TITLE, VERSION, OPERATIONS)
# Enough to find in half a minute what a longer run found: unpaired surrogates, NULs, odd dates.
EXAMPLES = 25
# Fast enough that no example is held up.
UNLIMITED = Rates(*(Rate(1_000_000, 1_000_000),) * 3)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# Their instants are bounded more narrowly than JSON Schema can say, and cases are drawn wider.
BOUNDED_IN_TIME = {"take_sightings", "add_events", "add_push_receipts", "take_receipt"}
OPERATION_IDS = [op.handler.__name__ for op in OPERATIONS]


def test_the_document_is_openapi_3_1() -> None:
    OpenAPIV31SpecValidator(DOCUMENT).validate()


async def test_the_document_is_served(api: Api) -> None:
    answered = await api.call("GET", "/openapi.json")
    assert answered.headers["Content-Type"].startswith("application/json")
    assert answered.json() == json.loads(json.dumps(DOCUMENT))


async def test_every_route_is_in_the_document_and_no_other(api: Api) -> None:
    routes = {
        (route.method.lower(), template(route.resource.canonical))
        for route in api.app.router.routes()
        if route.resource is not None
    }
    described = {(m, path) for path, methods in DOCUMENT["paths"].items() for m in methods}
    assert routes == described


def test_operation_ids_are_unique() -> None:
    assert len(set(OPERATION_IDS)) == len(OPERATION_IDS)


def test_both_forms_of_a_batch_are_described() -> None:
    described = DOCUMENT["paths"]["/v1/gateways/{gateway_id}/sightings"]["post"]["requestBody"]
    assert described["content"].keys() == {MSGPACK, "application/json"}
    assert described["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Batch"
    }
    batch = DOCUMENT["components"]["schemas"]["Batch"]
    assert batch["minItems"] == batch["maxItems"] == 4


@pytest.mark.parametrize("op", OPERATIONS, ids=OPERATION_IDS)
def test_who_may_ask_is_described(op: Any) -> None:
    described = DOCUMENT["paths"][template(op.path)][op.method.lower()]
    if op.security in {Security.OPEN, Security.SYSTEM}:
        assert "security" not in described
    else:
        assert described["security"] == [{op.security.value: []}]
        assert "401" in described["responses"]


class Caller:
    """Sends schemathesis's cases from a thread beside the loop that serves them."""

    def __init__(self, api: Api, phone: Phone, pi: Pi, till: dict[str, str]) -> None:
        self._loop = asyncio.get_running_loop()
        self._api = api
        self._phone = phone
        self._pi = pi
        self._till = till
        self._session = requests.Session()
        self.statuses: dict[int, int] = {}

    def __call__(self, case: Any) -> None:
        security = case.operation.definition.raw.get("security", [{}])[0]
        if "gateway" in security:
            case.path_parameters = {"gateway_id": self._pi.gateway_id}
        prepared = requests.Request(
            **case.as_transport_kwargs(base_url=str(self._api.url).rstrip("/"))
        ).prepare()
        if "handset" in security:
            prepared.headers.update(self._authorization(case))
        if "till" in security:
            prepared.headers.update(self._till)
        if "gateway" in security:
            prepared.headers.update(self._signature(prepared))
        response = self._session.send(prepared, timeout=10)
        self.statuses[response.status_code] = self.statuses.get(response.status_code, 0) + 1
        excluded = [positive_data_acceptance] if self._is_bounded_in_time(case) else []
        case.validate_response(response, checks=CHECKS, excluded_checks=excluded)

    @staticmethod
    def _is_bounded_in_time(case: Any) -> bool:
        return case.operation.definition.raw["operationId"] in BOUNDED_IN_TIME

    def close(self) -> None:
        self._session.close()

    def _authorization(self, case: Any) -> dict[str, str]:
        if case.operation.definition.raw["operationId"] == "erase_me":
            made = asyncio.run_coroutine_threadsafe(self._api.phone(), self._loop)
            return made.result().authorization
        return self._phone.authorization

    def _signature(self, prepared: requests.PreparedRequest) -> dict[str, str]:
        body = prepared.body or b""
        assert isinstance(body, bytes | str)
        return signed_headers(
            self._pi.key,
            self._pi.gateway_id,
            "POST",
            prepared.path_url,
            body.encode() if isinstance(body, str) else body,
            int(self._api.clock.now().timestamp()),
        )


def _pack(context: SerializationContext, value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("operation_id", OPERATION_IDS)
async def test_the_api_does_as_its_document_says(
    serve: Serve, sqlite_database: Database, operation_id: str, mode: GenerationMode
) -> None:
    schemathesis.serializer(MSGPACK)(_pack)
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    operation = schema.find_operation_by_id(operation_id)
    takes = next(op.takes or op.raw for op in OPERATIONS if op.handler.__name__ == operation_id)
    if mode is GenerationMode.NEGATIVE and not takes:
        return  # there is nothing that could be wrong
    async with serve(sqlite_database, rates=UNLIMITED) as api:
        caller = Caller(api, await api.phone(), await api.pi(), await api.till())

        @seed(2026)
        @settings(
            max_examples=EXAMPLES if takes else 2,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def cases(case: Any) -> None:
            caller(case)

        run: Callable[[], None] = cases
        try:
            await asyncio.to_thread(run)
        finally:
            caller.close()
        assert caller.statuses
        assert (await api.call("GET", "/readyz")).status == 200
