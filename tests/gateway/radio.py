"""A message bus with a fake bluetoothd on it, for the tests that scan."""

import contextlib
from collections.abc import AsyncIterator

import pytest

from tests.fakes.fake_bluez import FakeBlueZ, private_bus


@contextlib.asynccontextmanager
async def system_bus() -> AsyncIterator[str]:
    """The address of a private bus that everything takes for the system's."""
    async with private_bus() as address:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
            yield address


@contextlib.asynccontextmanager
async def bluez(address: str) -> AsyncIterator[FakeBlueZ]:
    """A fake bluetoothd, stopped at the end."""
    fake = await FakeBlueZ.started(address)
    try:
        yield fake
    finally:
        await fake.stop()
