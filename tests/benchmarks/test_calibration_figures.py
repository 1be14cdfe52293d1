"""The figures of calibration, on as little as shows that they are computed."""

from click.testing import CliRunner

from benchmarks.calibration import main


def test_it_prints_errors_and_flags() -> None:
    done = CliRunner().invoke(main, ["--stores", "2", "--minutes", "1"])

    lines = done.output.splitlines()
    (mean,) = [line.split() for line in lines if line.startswith("mean")]
    planted_db, error_db = map(float, mean[1:])
    assert error_db < planted_db / 2
    assert "gateways where nothing had happened, flagged: 0" in lines
    assert "moved gateways: 2" in lines


def test_minutes_that_are_no_number_are_refused() -> None:
    assert CliRunner().invoke(main, ["--minutes", "nan"]).exit_code == 2
