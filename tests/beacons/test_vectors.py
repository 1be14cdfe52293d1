"""Byte vectors: our own core set always, the team's shared set where it is at hand."""

from typing import Any

import pytest

from tests.vectors import core, shared
from tests.vectors.answers import answer

# Left out: raddec and the rows of optional_* categories, which are not required of us, and the
# distance curve, which is no codec.
LEVELS = (
    "ad",
    "mfr",
    "svc",
    "pdu",
    "hci",
    "mgmt",
    "eid",
    "eid_key_exchange",
    "eid_resolve",
    "etlm",
    "rpa",
    "overflow_hash",
    "url_encode",
    "encode_error",
)


@pytest.mark.parametrize("vector", core.parameters())
def test_core_vector(vector: dict[str, Any]) -> None:
    assert answer(vector) == vector["expect"]


@pytest.mark.parametrize("vector", shared.parameters(*LEVELS))
def test_shared_vector(vector: dict[str, Any] | None) -> None:
    if vector is None:
        pytest.fail("../shared/data/ble_vectors.json was not there, and CI=true")
    assert answer(vector) == vector["expect"]
