"""Reading recorded walks: what comes back, and what is said when they are not there."""

import gzip
from pathlib import Path

import pytest

from firmware_sim.recording import RecordingError, load_recording

# Made up for these tests; the layout is that of the team's recordings.
FILES = {
    "traces.csv": (
        "dataset,trace_id,device,kind,n_sightings,truth_seconds\n"
        "shop,shop-1,tag,walk,3,1\n"
        "shop,shop-2,tag,walk,1,1\n"
        "hall,hall-1,phone,walk,1,1\n"
    ),
    "anchors.csv": (
        "dataset,anchor_id,x,y,floor\n"
        "hall,h1,9.0,9.0,0\n"
        "shop,left,0.5,2.0,0\n"
        "shop,right,7.5,2.5,0\n"
    ),
    "zones.csv": (
        "dataset,zone_id,wkt\n"
        'shop,shop-A,"POLYGON ((0 0, 4 0, 4 5, 0 5, 0 0))"\n'
        'hall,hall-A,"POLYGON ((0 0, 4 0, 4 5, 0 0))"\n'
    ),
    "sightings.csv.gz": (
        "trace_id,t,anchor_id,rssi\n"
        "shop-1,0.4,right,-71\n"
        "shop-1,0.1,left,-60\n"
        "hall-1,0.1,h1,-50\n"
        "shop-1,0.9,left,-62\n"
        "shop-2,0.2,right,-80\n"
    ),
    "truth.csv.gz": (
        "trace_id,t,x,y,zone_id\n"
        "shop-1,0.0,1.0,1.5,shop-A\n"
        "shop-1,0.5,3.9,1.5,\n"
        "shop-2,0.0,2.0,2.0,shop-A\n"
        "hall-1,0.0,2.0,2.0,hall-A\n"
    ),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        _write(tmp_path / name, text)
    return tmp_path


def test_one_dataset_comes_back_with_its_anchors_zones_and_traces(folder: Path) -> None:
    recording = load_recording(folder, "shop")

    assert recording.dataset == "shop"
    assert dict(recording.anchors) == {"left": (0.5, 2.0), "right": (7.5, 2.5)}
    assert dict(recording.zones) == {"shop-A": ((0.0, 0.0), (4.0, 0.0), (4.0, 5.0), (0.0, 5.0))}
    assert [trace.trace_id for trace in recording.traces] == ["shop-1", "shop-2"]


def test_sightings_are_in_order_of_time_and_name_their_anchor(folder: Path) -> None:
    trace = load_recording(folder, "shop").traces[0]

    assert trace.t_s.tolist() == [0.1, 0.4, 0.9]
    assert trace.anchor.tolist() == [0, 1, 0]
    assert trace.rssi_dbm.tolist() == [-60.0, -71.0, -62.0]


def test_truth_has_a_place_for_each_instant_and_no_zone_on_a_boundary(folder: Path) -> None:
    trace = load_recording(folder, "shop").traces[0]

    assert trace.truth_t_s.tolist() == [0.0, 0.5]
    assert trace.truth_x_m.tolist() == [1.0, 3.9]
    assert trace.truth_y_m.tolist() == [1.5, 1.5]
    assert trace.truth_zone == ("shop-A", None)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"no folder of recordings at .*nowhere"):
        load_recording(tmp_path / "nowhere", "shop")


def test_an_unknown_dataset_is_answered_with_those_that_are_there(folder: Path) -> None:
    with pytest.raises(RecordingError, match=r"no dataset 'lab' in .*; there is hall, shop"):
        load_recording(folder, "lab")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()

    with pytest.raises(RecordingError, match=f"cannot be read: .*{name}"):
        load_recording(folder, "shop")


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("sightings.csv.gz", "-71", "loud"),
        ("sightings.csv.gz", ",right,-71", ""),
        ("sightings.csv.gz", "0.4,right", "0.4,middle"),
        ("truth.csv.gz", "3.9", ""),
        ("anchors.csv", "anchor_id", "id"),
        ("zones.csv", "POLYGON ((0 0, 4 0, 4 5, 0 5, 0 0))", "POINT (0 0)"),
        ("zones.csv", "POLYGON ((0 0, 4 0, 4 5, 0 5, 0 0))", "a square"),
    ],
)
def test_an_unreadable_row_is_refused(folder: Path, name: str, old: str, new: str) -> None:
    assert old in FILES[name]
    _write(folder / name, FILES[name].replace(old, new, 1))

    with pytest.raises(RecordingError, match="have an unknown form"):
        load_recording(folder, "shop")


def test_a_damaged_archive_is_refused(folder: Path) -> None:
    path = folder / "sightings.csv.gz"
    path.write_bytes(path.read_bytes()[:-12])

    with pytest.raises(RecordingError, match="cannot be read"):
        load_recording(folder, "shop")


def test_a_trace_without_sightings_is_named(folder: Path) -> None:
    without = FILES["sightings.csv.gz"].replace("shop-2", "shop-1")
    _write(folder / "sightings.csv.gz", without)

    with pytest.raises(RecordingError, match="'shop-2' has no sightings or no truth"):
        load_recording(folder, "shop")


def _write(path: Path, text: str) -> None:
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
