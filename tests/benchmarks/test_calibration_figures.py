"""The figures of calibration, on as little as shows that they are computed."""

import sys

import pytest

from benchmarks import calibration


def test_it_prints_errors_and_flags(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["calibration", "--stores", "2", "--minutes", "1"])

    calibration.main()

    lines = capsys.readouterr().out.splitlines()
    (mean,) = [line.split() for line in lines if line.startswith("mean")]
    planted_db, error_db = map(float, mean[1:])
    assert error_db < planted_db / 2
    assert "gateways where nothing had happened, flagged: 0" in lines
    assert "moved gateways: 2" in lines
