"""Survey files: what is written is read back the same, and every fault has its line."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beacons.heard import Heard
from beacons.survey import SurveyPoint
from beacons.survey_walk import Tap, TapKind
from corsia import survey_files
from corsia.survey_files import (
    MAX_FAULTS,
    SurveyFileError,
    read_points,
    read_sightings,
    read_taps,
    write_points,
    write_sightings,
    write_taps,
)


def file_with(folder: Path, text: str | bytes) -> Path:
    path = folder / "given.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_times_are_unix_seconds_or_instants_and_a_tap_walks_on(tmp_path: Path) -> None:
    text = (
        "kind,t,floor,x,y\n,1795255200.5,ground,1,2\npause,2026-11-21T11:00:00+01:00,g 2,-1.5,0\n"
    )

    assert read_taps(file_with(tmp_path, text)) == [
        Tap(1_795_255_200.5, "ground", 1.0, 2.0, TapKind.HERE),
        Tap(1_795_255_200.0, "g 2", -1.5, 0.0, TapKind.PAUSE),
    ]


def test_a_sighting_stands_for_its_instant(tmp_path: Path) -> None:
    text = "\ufefft,gateway,rssi,channel\r\n1795255200,gw-1,-67.5,37\r\n"

    assert read_sightings(file_with(tmp_path, text)) == [
        Heard("", "gw-1", 1_795_255_199.75, 1, -67.5, -67.5)
    ]


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("now,ground,1,2,", "t is 'now'; unix seconds or 2026-11-21T10:00:00Z is needed"),
        ("1.5,ground,1,2,", "t is '1.5'; unix seconds"),
        ("2026-11-21T10:00:00,ground,1,2,", "t is '2026-11-21T10:00:00'; unix seconds"),
        ("nan,ground,1,2,", "t is 'nan'"),
        ("1795255200,,1,2,", "floor is empty"),
        ("1795255200,ground,one,2,", "x is 'one'; a number is needed"),
        ("1795255200,ground,1,inf,", "y is 'inf'; a number is needed"),
        ("1795255200,ground,1", "y is empty"),
        ("1795255200,ground,1,2,jump", "kind is 'jump'; one of here, pause, end is needed"),
    ],
)
def test_a_fault_of_a_tap_is_named_with_its_line(tmp_path: Path, row: str, fault: str) -> None:
    good = "1795255200,ground,1,2,here"

    with pytest.raises(SurveyFileError) as raised:
        read_taps(file_with(tmp_path, f"t,floor,x,y,kind\n{good}\n{row}\n{good}\n"))

    assert raised.value.faults[0].startswith(f"given.csv, line 3: {fault}")
    assert len(raised.value.faults) == 1


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("g,1,2,gw,-60,1,0,2", "count is 0; a whole number from 1 to 1000000 is needed"),
        ("g,1,2,gw,-60,1,1000001,2", "count is 1000001; a whole number"),
        ("g,1,2,gw,-60,1,1e300,2", r"count is 1e\+300; a whole number"),
        ("g,1,2,gw,-60,1,3,86401", "seconds is 86401; more than 0 and at most 86400"),
        ("g,1,2,gw,-60,1,3,1e308", r"seconds is 1e\+308; more than 0 and at most 86400"),
        ("g,1,2,gw,-60,40.1,3,2", "rssi_sd is 40.1; 0 to 40 dB make sense"),
        ("g,1,2,gw,-60,1,1.5,2", "count is 1.5; a whole number"),
        ("g,1,2,gw,-60,1,3,0", "seconds is 0; more than 0"),
        ("g,1,2,gw,-60,-1,3,2", "rssi_sd is -1; 0 to 40 dB make sense"),
        ("g,1,2,gw,20,1,3,2", "rssi_mean is 20; -110 to -10 dBm make sense"),
    ],
)
def test_a_fault_of_a_point_is_named_with_its_line(tmp_path: Path, row: str, fault: str) -> None:
    heading = ",".join(survey_files.POINT_COLUMNS)

    with pytest.raises(SurveyFileError, match=f"line 2: {fault}"):
        read_points(file_with(tmp_path, f"{heading}\n{row}\n"))


def test_one_gateway_twice_at_a_place_is_refused(tmp_path: Path) -> None:
    heading = ",".join(survey_files.POINT_COLUMNS)
    text = f"{heading}\ng,1,2,gw,-60,1,3,2\ng,1,2,other,-60,1,3,2\ng,1,2,gw,-61,1,3,2\n"

    with pytest.raises(SurveyFileError, match=r"gateway gw is there twice at \(1, 2\)"):
        read_points(file_with(tmp_path, text))


def test_a_place_has_one_length_of_stay(tmp_path: Path) -> None:
    heading = ",".join(survey_files.POINT_COLUMNS)
    text = f"{heading}\ng,1,2,gw,-60,1,3,2\ng,1,3,gw,-60,1,3,4\ng,1,2,other,-60,1,3,2.5\n"

    with pytest.raises(SurveyFileError, match=r"2 and 2\.5 seconds at \(1, 2\) on floor g"):
        read_points(file_with(tmp_path, text))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "the heading lacks t, floor, x, y; the first line is to be t,floor,x,y"),
        ("time,floor,x,y\n", "the heading lacks t;"),
        ("t,floor,x,y\n", "nothing but a heading"),
        (b"t,floor,x,y\n\xff\xfe,1,2,3\n", "is no CSV file in UTF-8"),
        ('t,floor,x,y\n"1,2,3\n', "is no CSV file in UTF-8"),
        (b"\x00" * 100, "given.csv"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: str | bytes, said: str) -> None:
    with pytest.raises(SurveyFileError) as raised:
        read_taps(file_with(tmp_path, content))

    assert said in str(raised.value)


def test_a_file_that_is_not_there_or_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SurveyFileError, match=r"none\.csv cannot be read: No such file"):
        read_taps(tmp_path / "none.csv")
    with pytest.raises(SurveyFileError, match="cannot be read: Is a directory"):
        read_taps(tmp_path)


def test_a_file_that_is_too_large_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(survey_files, "MAX_OCTETS", 2_000_000)
    path = file_with(tmp_path, b"t,floor,x,y\n" + b"1795255200,g,1,2\n" * 200_000)

    with pytest.raises(SurveyFileError, match="larger than 2 MB"):
        read_taps(path)


def test_of_many_faults_the_first_ones_are_told(tmp_path: Path) -> None:
    with pytest.raises(SurveyFileError) as raised:
        read_taps(file_with(tmp_path, "t,floor,x,y\n" + "x,x,x,x\n" * 1_000))

    assert len(raised.value.faults) == MAX_FAULTS + 1
    assert raised.value.faults[-1] == f"given.csv: no more than {MAX_FAULTS} faults are told"


_instants = st.floats(1_600_000_000.0, 4_000_000_000.0)
_words = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)
_metres = st.floats(-1e5, 1e5)
_dbm = st.floats(-110.0, -10.0)
_taps = st.builds(Tap, _instants, _words, _metres, _metres, st.sampled_from(TapKind))
# Of whichever place: the seconds follow from it, as they are the same for all of its gateways.
_points = st.builds(
    lambda floor_id, x_m, y_m, gateway_id, dbm, sd_db, count: SurveyPoint(
        floor_id, x_m, y_m, gateway_id, dbm, sd_db, count, 1e-3 + abs(x_m) / 2.0
    ),
    _words, _metres, _metres, _words, _dbm, st.floats(0.0, 40.0), st.integers(1, 10**6),
)  # fmt: skip
_sightings = st.builds(
    lambda at_s, gateway_id, count, dbm: Heard("", gateway_id, at_s, count, dbm, dbm),
    # Quarters of a second, so that the middle of the window is exact.
    st.integers(6_400_000_000, 16_000_000_000).map(lambda quarters: quarters / 4),
    _words, st.integers(1, 10_000), _dbm,
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    taps=st.lists(_taps, min_size=1, max_size=5),
    points=st.lists(
        _points, min_size=1, max_size=5,
        unique_by=lambda p: (p.floor_id, p.x_m, p.y_m, p.gateway_id),
    ),
    heard=st.lists(_sightings, min_size=1, max_size=5),
)  # fmt: skip
def test_what_is_written_is_read_back_the_same(
    tmp_path: Path, taps: list[Tap], points: list[SurveyPoint], heard: list[Heard]
) -> None:
    path = tmp_path / "round.csv"

    write_taps(path, taps)
    assert read_taps(path) == taps
    write_points(path, points)
    assert read_points(path) == points
    write_sightings(path, heard)
    assert read_sightings(path) == heard


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(content=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@pytest.mark.parametrize("heading", [b"", b"t,floor,x,y,gateway,rssi,kind,count\n"])
def test_any_octets_are_read_or_refused_in_a_sentence(
    tmp_path: Path, heading: bytes, content: bytes
) -> None:
    path = file_with(tmp_path, heading + content)

    faults: list[str] = []
    for read in (read_taps, read_sightings, read_points):
        try:
            assert read(path)
        except SurveyFileError as error:
            faults += error.faults

    assert all(fault.startswith("given.csv") for fault in faults)
