"""Expected dwell is judged by the truth: on a small run, all of the way."""

import numpy as np
import pytest
from click.testing import CliRunner

from beacons.dwell import dwell_curves
from benchmarks.dwell import Asked, Watched, judged, main, report, watch
from benchmarks.store_walks import store_walks


def test_every_stay_told_is_learned_from_and_every_mark_judged() -> None:
    watched = watch(store_walks(1, minutes=8.0, shoppers=8))
    zones = watched.run.plan.zones

    stays = [stay for of_one in watched.stays.values() for stay in of_one]
    assert sum(curve.stays for curve in dwell_curves(zones, stays).values()) > 3
    assert all(one.residual_s > 0.0 for one in watched.asked)
    rows = list(judged(watched))
    assert len(rows) == len(watched.asked)
    assert np.isfinite(rows).all()


def test_half_teaches_and_the_other_half_is_asked() -> None:
    """Nobody taught: what is learned is what is assumed."""
    run = store_walks(1, minutes=1.0, shoppers=4)
    zone_id = run.plan.zones[0].zone_id
    watched = Watched(run, {name: [] for name in run.devices},
                      [Asked(run.devices[0], zone_id, 3.0, 12.0)], 0)  # fmt: skip

    (row,) = judged(watched)

    assert row[:2].tolist() == [3.0, 12.0]
    learned, assumed = np.split(row[2:], 2)
    assert learned == pytest.approx(assumed)


def test_the_report_has_a_line_for_each_span() -> None:
    row = np.array([5.0, 12.0, 10.0, 0.9, 0.8, 0.64, 0.5, 25.0, 0.9, 0.8, 0.6, 0.5])

    lines = [line.split() for line in report(np.array([row, row])).splitlines()]

    assert ["4", "to", "8", "s", "2", "12.0", "10.0", "25.0"] in lines
    assert ["in", "20", "s", "0.000", "0.500", "0.500"] in lines
    assert ["0.6", "2", "0.640", "1.000"] in lines


def test_an_empty_shop_is_said_to_be_empty() -> None:
    done = CliRunner().invoke(main, ["--seeds", "1", "--minutes", "0.1", "--shoppers", "2"])

    assert done.exit_code == 1
    assert "nobody stayed anywhere" in done.output
