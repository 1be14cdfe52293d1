"""The benchmark of decisions: index and scan decide the same, and it says what it measured."""

from click.testing import CliRunner

from benchmarks.decide import SCANNED, main


def test_the_scan_agrees_and_both_are_told() -> None:
    done = CliRunner().invoke(
        main, ["--campaigns", "400", "--shoppers", "50", "--decisions", "400"]
    )

    assert done.exit_code == 0, done.output
    assert f"the scan decided the same in {SCANNED} of {SCANNED}" in done.output
    assert "found by zone and audience" in done.output
    assert "memory: catalogue" in done.output
