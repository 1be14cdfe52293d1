"""The fake FCM as a process of its own, for `benchmarks.push`: its work is not counted as ours."""

import asyncio
import gc
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any, Final

import uvloop

from config.clock import SystemClock
from firmware_sim.fake_fcm import FakeFcm
from firmware_sim.fcm_targets import mint_target

ANSWER_DELAY_S: Final = 0.05
HANDSETS: Final = 1_000


@dataclass(frozen=True, slots=True)
class RunningFake:
    """Where it listens, a key file's content that may send there, and the handsets it knows."""

    url: str
    key: dict[str, str]
    fids: tuple[str, ...]


def targets() -> tuple[str, ...]:
    """The installation ids that the fake knows."""
    chance = Random(1)
    return tuple(mint_target("fid", chance) for _ in range(HANDSETS))


@contextmanager
def running_fake() -> Iterator[RunningFake]:
    """The fake for the length of the block."""
    command = [sys.executable, "-m", "benchmarks.push_fake"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            if not said:
                raise RuntimeError("the fake FCM has ended before it listened; see its error above")
            started: dict[str, Any] = json.loads(said)
            yield RunningFake(started["url"], started["key"], targets())
        finally:
            process.terminate()


async def _serve() -> None:
    async with FakeFcm(
        SystemClock(), seed=7, on_delivery=lambda _: None, answer_delay_s=ANSWER_DELAY_S
    ) as fcm:
        for fid in targets():
            fcm.register("fid", fid)
        gc.collect()
        gc.freeze()
        said = {"url": fcm.base_url, "key": fcm.service_account_json()}
        print(json.dumps(said), flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve())
