"""The second stage of recovery: reset the Bluetooth radio itself.

Needs CAP_NET_ADMIN; a gateway without it says so in the log and goes on with restarts of the scan.
"""

import asyncio
import logging
from pathlib import Path
from typing import Final

DEFAULT_ADAPTER: Final = "hci0"
SYSFS: Final = Path("/sys/class/bluetooth")
# rfkill, a power cycle, a USB reset and BlueZ's return together.
RECOVERY_TIMEOUT_S: Final = 60.0

log = logging.getLogger(__name__)


async def recover_radio(adapter: str | None) -> bool:
    """Whether the radio came back after a power cycle or USB reset."""
    from bluetooth_auto_recovery import recover_adapter

    name = adapter or DEFAULT_ADAPTER
    number = name.removeprefix("hci")
    if not number.isdigit():
        log.error("the adapter is not named hciN: it cannot be reset", extra={"adapter": name})
        return False
    try:
        async with asyncio.timeout(RECOVERY_TIMEOUT_S):
            return bool(await recover_adapter(int(number), _hardware_name(name), gone_silent=True))
    except OSError as error:
        log.error("the radio cannot be reset", extra={"why": str(error)})  # noqa: TRY400
        return False


def _hardware_name(adapter: str) -> str:
    """The adapter's own address; it is found by it when its number has moved."""
    try:
        return (SYSFS / adapter / "address").read_text().strip()
    except OSError:
        return "00:00:00:00:00:00"
