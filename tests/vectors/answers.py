"""What our code answers to the input of a vector, in the shape of the vector's `expect`."""

from collections.abc import Callable
from typing import Any

from beacons import (
    advert,
    ceid,
    codec,
    eddystone,
    eddystone_eid,
    eddystone_etlm,
    eddystone_url,
    fields,
    hci,
    mgmt,
    overflow,
    pdu,
    rpa,
    uuids,
)
from beacons.eddystone import EddystoneEtlm
from beacons.frame import FrameError, MalformedFrame

Values = dict[str, Any]


def answer(vector: Values) -> Values:
    """The answer; `{"error": True}` when the code refuses the input."""
    try:
        given = _ANSWERS[vector["level"]](vector["input"])
        if "structure_hex" in vector["expect"]:
            (frame,) = given["frames"]
            given["structure_hex"] = codec.encode(fields.to_frame(frame)).data.hex()
    except FrameError:
        return {"error": True}
    return given


def _ad(given: Values) -> Values:
    data = bytes.fromhex(given["hex"])
    summary = advert.gap(data)
    return {
        "frames": [fields.of(frame) for frame in codec.decode(data)],
        "gap": {
            "flags": summary.flags,
            "local_name": summary.local_name,
            "service_uuids": list(summary.service_uuids),
            "service_data": {uuid: value.hex() for uuid, value in summary.service_data.items()},
            "manufacturer_data": [[c, payload.hex()] for c, payload in summary.manufacturer_data],
            "tx_power": summary.tx_power_dbm,
        },
    }


def _one_frame(decode: Callable[[int, bytes], codec.Frame | None], key: str) -> Any:
    def _answer(given: Values) -> Values:
        try:
            frame = decode(given[key], bytes.fromhex(given["hex"]))
        except MalformedFrame:
            frame = None
        return {"frame": None if frame is None else fields.of(frame)}

    return _answer


def _pdu(given: Values) -> Values:
    heard = pdu.decode(bytes.fromhex(given["hex"]))
    values = {
        "pdu_type": heard.pdu_type,
        "tx_add_random": heard.tx_add_random,
        "adv_address": heard.adv_address,
        "ad_hex": None if heard.data is None else heard.data.hex(),
        "rx_add_random": heard.rx_add_random,
        "target_address": heard.target_address,
    }
    return {name: value for name, value in values.items() if value is not None}


def _hci(given: Values) -> Values:
    reports = hci.decode(bytes.fromhex(given["hex"]))
    return {
        "reports": [
            {
                "event_type": report.event_type,
                "address_type": report.address_type,
                "address": report.address,
                "ad_hex": report.data.hex(),
                "rssi": report.rssi_dbm,
            }
            for report in reports
        ]
    }


def _mgmt(given: Values) -> Values:
    found = mgmt.decode(bytes.fromhex(given["hex"]))
    if found is None:
        return {"event": None}
    handle = {} if found.monitor_handle is None else {"monitor_handle": found.monitor_handle}
    return handle | {
        "event": found.event,
        "index": found.index,
        "address": found.address,
        "address_type": found.address_type,
        "rssi": found.rssi_dbm,
        "flags": found.flags,
        "ad_hex": found.data.hex(),
    }


def _eid(given: Values) -> Values:
    key, counter = bytes.fromhex(given["identity_key"]), given["counter"]
    return {
        "temporary_key": eddystone_eid.temporary_key(key, counter).hex(),
        "eid": eddystone_eid.eid(key, given["exponent"], counter).hex(),
    }


def _eid_key_exchange(given: Values) -> Values:
    keys = {name: bytes.fromhex(value) for name, value in given.items()}
    if "resolver_private_key" in keys:
        side = "resolver_public_key"
        agreed = eddystone_eid.agree_as_resolver(
            keys["resolver_private_key"], keys["beacon_public_key"]
        )
    else:
        side = "beacon_public_key"
        agreed = eddystone_eid.agree_as_beacon(
            keys["beacon_private_key"], keys["resolver_public_key"]
        )
    return {
        side: agreed.public_key.hex(),
        "shared_secret": agreed.shared_secret.hex(),
        "identity_key": agreed.identity_key.hex(),
    }


def _eid_resolve(given: Values) -> Values:
    keys = [
        eddystone_eid.EidKey(k["id"], bytes.fromhex(k["identity_key"]), k["exponent"], k["offset"])
        for k in given["keys"]
    ]
    heard = bytes.fromhex(given["eid"])
    found = eddystone_eid.resolve(heard, keys, given["now"], given["tolerance_windows"])
    if found is None:
        return {"key_id": None, "window_delta": None}
    return {"key_id": found.key_id, "window_delta": found.window_delta}


def _etlm(given: Values) -> Values:
    frame = eddystone.decode(bytes.fromhex(given["hex"]))
    assert isinstance(frame, EddystoneEtlm)
    key = bytes.fromhex(given["identity_key"])
    plain = eddystone_etlm.decrypt(frame, key, given["exponent"], given["counter"])
    return {"error": True} if plain is None else {"frame": fields.of(plain)}


def _rpa(given: Values) -> Values:
    return {"resolves": rpa.resolves(bytes.fromhex(given["irk"]), given["address"])}


def _overflow_hash(given: Values) -> Values:
    position = overflow.position(uuids.octets(given["service_uuid"]))
    return {"position": position, "mask": overflow.mask([position]).hex()}


def _url_encode(given: Values) -> Values:
    return {"hex": eddystone_url.compress(given["url"]).hex()}


def _encode_error(given: Values) -> Values:
    return {"structure_hex": codec.encode(fields.to_frame(given["frame"])).data.hex()}


def _ceid(given: Values) -> Values:
    secret, namespace = bytes.fromhex(given["secret"]), bytes.fromhex(given["namespace"])
    window = ceid.window(given["unix_s"])
    key = ceid.day_key(secret, given["tenant"], window // 96)
    eid = ceid.eid(key, window)
    return {
        "window": window,
        "day_key": key.hex(),
        "eid": eid.hex(),
        "uuid": uuids.text(ceid.service_uuid(eid, window, namespace)),
        "ad_hex": ceid.advert_data(eid, window, namespace).hex(),
    }


_ANSWERS: dict[str, Callable[[Values], Values]] = {
    "ad": _ad,
    "mfr": _one_frame(codec.from_manufacturer, "company_id"),
    "svc": _one_frame(codec.from_service_data, "uuid16"),
    "pdu": _pdu,
    "hci": _hci,
    "mgmt": _mgmt,
    "eid": _eid,
    "eid_key_exchange": _eid_key_exchange,
    "eid_resolve": _eid_resolve,
    "etlm": _etlm,
    "rpa": _rpa,
    "overflow_hash": _overflow_hash,
    "url_encode": _url_encode,
    "encode_error": _encode_error,
    "ceid": _ceid,
}
