"""Lines of hex to JSON objects."""

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.decode import Level, decode_line
from tests.vectors import core, shared

_EMPTY = {
    "frames": [],
    "gap": {
        "flags": None,
        "local_name": None,
        "service_uuids": [],
        "service_data": {},
        "manufacturer_data": [],
        "tx_power": None,
    },
}


def _matches(vector: dict[str, Any]) -> bool:
    given = decode_line(vector["input"]["hex"], vector["level"])
    expected = {name: v for name, v in vector["expect"].items() if name != "structure_hex"}
    if "error" in expected:
        return list(given) == ["error"] and isinstance(given["error"], str)
    # As JSON, since Python holds 0, 0.0 and False for equal.
    return json.dumps(given, sort_keys=True) == json.dumps(expected, sort_keys=True)


@pytest.mark.parametrize("vector", core.parameters("ad", "hci", "mgmt"))
def test_core_vector_as_a_line(vector: dict[str, Any]) -> None:
    assert _matches(vector)


@pytest.mark.parametrize("vector", shared.parameters("ad", "hci", "mgmt"))
def test_shared_vector_as_a_line(vector: dict[str, Any] | None) -> None:
    if vector is None:
        pytest.fail("../shared/data/ble_vectors.json was not there, and CI=true")
    assert _matches(vector)


@pytest.mark.parametrize(
    "line", ["020106", "0x020106", "  0X020106\r\n", "02 01 06\n", "\t02\u00a001 06", "02010600"]
)
def test_case_space_and_prefix_do_not_matter(line: str) -> None:
    assert decode_line(line, "ad") == decode_line("020106", "ad") != _EMPTY


def test_an_empty_line_is_an_advert_without_octets() -> None:
    assert decode_line("\n", "ad") == _EMPTY
    assert decode_line("", "hci") == {
        "error": "HCI event: 0 octets, too few for a header, at octet 0."
    }


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("02010g", "No hex: 'g' at character 6 of the line."),
        ("02:01", "No hex: ':' at character 3 of the line."),
        ("0x 0x02", "No hex: 'x' at character 5 of the line."),
        ("02\u0661\u0661", "No hex: '\u0661' at character 3 of the line."),
        ("020", "No hex: 3 digits, an odd number, so the last octet is cut."),
    ],
)
def test_what_is_no_hex_is_told_with_its_place(line: str, error: str) -> None:
    assert decode_line(line, "ad") == {"error": error}


@given(st.text(max_size=80), st.sampled_from(["ad", "hci", "mgmt"]))
def test_any_line_gives_one_json_object(line: str, level: Level) -> None:
    assert json.dumps(decode_line(line, level))


@given(st.binary(max_size=80), st.sampled_from(["ad", "hci", "mgmt"]))
def test_any_octets_give_one_json_object(octets: bytes, level: Level) -> None:
    assert json.dumps(decode_line(octets.hex(), level))


def test_a_gateway_decodes_without_the_server_s_libraries() -> None:
    program = "import sys, gateway.decode; print(*sys.modules)"
    modules = subprocess.check_output([sys.executable, "-c", program], text=True).split()
    assert "beacons.codec" in modules
    assert not {"numpy", "shapely", "sqlalchemy", "redis", "pydantic"} & set(modules)
