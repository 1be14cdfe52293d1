"""`make bench-presence`: the crowd is one, the loop does the job, the figures come out."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from beacons.heard import Heard
from beacons.presence import GONE_AFTER_S
from beacons.zone_events import Appeared, Dwelling, Entered, Gone, Left
from benchmarks.object_loop import ObjectLoop
from benchmarks.presence_crowd import START_S, PresenceCrowd
from benchmarks.presence_speed import main


def test_a_crowd_stays_as_large_as_it_is_while_people_come_and_go() -> None:
    crowd = PresenceCrowd(30, seed=1)
    windows = [crowd.window() for _ in range(600)]
    early = {one.device for window in windows[:40] for one in window}
    late = {one.device for window in windows[-40:] for one in window}

    assert len(early) == pytest.approx(30, abs=3)
    assert len(late) == pytest.approx(30, abs=3)
    assert 5 < len(late - early) < 30  # a visit lasts seven minutes, five have passed
    assert crowd.now_s == START_S + 300


def test_a_crowd_is_heard_in_its_windows_as_radios_hear() -> None:
    crowd = PresenceCrowd(30, seed=1)
    for _ in range(20):
        begun_s = crowd.now_s
        window = crowd.window()
        assert {one.at_s for one in window} == {begun_s}
        assert len({(one.device, one.gateway_id) for one in window}) == len(window)
        assert all(1 <= one.count <= 3 for one in window)
        assert all(-105 < one.mean_rssi_dbm <= one.max_rssi_dbm for one in window)
    assert PresenceCrowd(30, seed=1).window() == PresenceCrowd(30, seed=1).window()


def test_the_loop_tells_what_presence_tells() -> None:
    crowd = PresenceCrowd(1, seed=1)
    loop = ObjectLoop(crowd.plan)
    near = crowd.plan.gateways[0]
    heard = [
        Heard("me", place.gateway_id, START_S, 1, rssi_dbm, rssi_dbm)
        for place in crowd.plan.gateways
        if (away_m := np.hypot(place.x_m - near.x_m, place.y_m - near.y_m)) < 12
        for rssi_dbm in (-60.0 - 27 * np.log10(max(away_m, 1.4)),)
    ]
    events = [event for k in range(20) for event in loop.step(heard, START_S + 0.5 * k)]

    assert isinstance(events[0], Appeared)
    kinds = [type(event) for event in events if not isinstance(event, Appeared)]
    assert kinds[:3] == [Entered, Dwelling, Dwelling]
    silence = loop.step([], START_S + 10 + GONE_AFTER_S)
    assert [type(event) for event in silence][-1] is Gone
    assert all(isinstance(event, Left | Gone) for event in silence)


def test_the_figures_of_every_row_come_out(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    done = CliRunner().invoke(
        main, ["--minutes", "2.5", "--handsets", "2", "--handsets", "4", "--json", str(out)]
    )

    assert done.exit_code == 0, done.output
    rows = json.loads(out.read_text())
    assert [row["handsets"] for row in rows] == [2, 2, 4, 2, 2]
    assert all(row["sightings_per_s"] > 0 and row["rss_mb"] > 10 for row in rows)
    assert "4 handsets cost" in done.stdout
    assert "the same job object by object takes" in done.stdout
