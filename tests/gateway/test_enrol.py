"""A code becomes an identity on disk; everything else is a clear sentence."""

import stat
from pathlib import Path

import pytest
from aiohttp import web

from gateway.enrol import AlreadyEnrolledError, EnrolError, enrol
from gateway.identity import IdentityError, load_identity
from gateway.settings import GatewayConfig
from tests.gateway.ingest_server import CODE, GATEWAY_ID, NAMESPACE, IngestServer


def config(server_url: str, tmp_path: Path) -> GatewayConfig:
    return GatewayConfig(api_url=server_url, data_dir=tmp_path / "gateway")


async def test_a_code_becomes_an_identity_that_is_kept(
    server: IngestServer, tmp_path: Path
) -> None:
    settings = config(server.url, tmp_path)

    enrolled = await enrol(settings, f" {CODE}\n")

    kept = load_identity(settings.data_dir)
    assert kept is not None
    assert (kept.gateway_id, kept.store_id, kept.tenant, kept.namespace) == (
        GATEWAY_ID,
        "milano-1",
        "demo",
        NAMESPACE,
    )
    assert kept.key.private_bytes_raw() == enrolled.key.private_bytes_raw()
    assert server.keys[GATEWAY_ID] == kept.key.public_key()
    assert server.enrolments[0]["software"].startswith("corsia ")


async def test_nobody_else_can_read_the_key(server: IngestServer, tmp_path: Path) -> None:
    settings = config(server.url, tmp_path)

    await enrol(settings, CODE)

    files = list(settings.data_dir.iterdir())
    assert {file.name for file in files} == {"gateway.key", "identity.json"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert stat.S_IMODE(settings.data_dir.stat().st_mode) == 0o700


async def test_a_refused_code_leaves_no_identity_and_the_same_key_asks_again(
    server: IngestServer, tmp_path: Path
) -> None:
    settings = config(server.url, tmp_path)

    with pytest.raises(EnrolError, match="not known or was used"):
        await enrol(settings, "WRONG")
    assert load_identity(settings.data_dir) is None
    await enrol(settings, CODE)

    assert len({asked["public_key"] for asked in server.enrolments}) == 1


async def test_an_identity_is_not_thrown_away(server: IngestServer, tmp_path: Path) -> None:
    settings = config(server.url, tmp_path)
    await enrol(settings, CODE)

    with pytest.raises(AlreadyEnrolledError, match="already enrolled as gw-1"):
        await enrol(settings, CODE)

    assert len(server.enrolments) == 1


async def test_nobody_at_the_address(unused_tcp_port: int, tmp_path: Path) -> None:
    with pytest.raises(EnrolError, match="cannot be reached"):
        await enrol(config(f"http://127.0.0.1:{unused_tcp_port}", tmp_path), CODE)


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (200, "<html>Welcome</html>", "is it the address of a Corsia server"),
        (500, "oops", "answered 500"),
        (404, "<html>no such page</html>", "answered 404"),
        (201, "{}", "what is no enrolment"),
        (
            201,
            '{"gateway_id": "a b", "store_id": "s", "tenant": "t", "namespace": "c0451a01"}',
            "no enrolment",
        ),
    ],
)
async def test_a_server_that_is_none_of_ours(
    tmp_path: Path, status: int, body: str, sentence: str
) -> None:
    async def answer(_request: web.Request) -> web.Response:
        return web.Response(status=status, text=body)

    app = web.Application()
    app.router.add_post("/v1/gateways/enrol", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        with pytest.raises(EnrolError, match=sentence):
            await enrol(config(url, tmp_path), CODE)
    finally:
        await runner.cleanup()
    assert load_identity(tmp_path / "gateway") is None


async def test_a_data_directory_that_cannot_be_made(server: IngestServer, tmp_path: Path) -> None:
    (tmp_path / "gateway").write_text("a file")

    with pytest.raises(EnrolError, match="gateway"):
        await enrol(config(server.url, tmp_path), CODE)


@pytest.mark.parametrize("file", ["gateway.key", "identity.json"])
async def test_a_broken_file_is_named(server: IngestServer, tmp_path: Path, file: str) -> None:
    settings = config(server.url, tmp_path)
    await enrol(settings, CODE)
    (settings.data_dir / file).write_text("?")

    with pytest.raises(IdentityError, match=file):
        load_identity(settings.data_dir)


async def test_an_identity_without_its_key_is_no_identity(
    server: IngestServer, tmp_path: Path
) -> None:
    settings = config(server.url, tmp_path)
    await enrol(settings, CODE)
    (settings.data_dir / "gateway.key").unlink()

    with pytest.raises(IdentityError, match=r"gateway\.key is not"):
        load_identity(settings.data_dir)
