"""The picture of a survey: places where they are, shelves where they are, the back on top."""

import xml.etree.ElementTree as ET
from dataclasses import replace

from beacons.floor import FloorPlan, GatewayPlace, Zone, ZoneKind
from beacons.survey import Survey, SurveyPoint
from corsia.survey_picture import COLOURS, as_characters, as_svg

FLOOR = FloorPlan(
    floor_id="ground",
    outline=((10.0, 0.0), (20.0, 0.0), (20.0, 10.0), (10.0, 10.0)),
    obstacles=(((10.0, 4.0), (15.0, 4.0), (15.0, 6.0), (10.0, 6.0)),),
    zones=(Zone("a", "Salt & <pepper>", ZoneKind.AISLE, ((10, 0), (20, 0), (20, 3), (10, 3))),),
    gateways=tuple(GatewayPlace(f"g{n}", 11.0 + n / 2, 1.0, 3.0) for n in range(12)),
)


def heard_by(gateways: int, x_m: float, y_m: float, floor_id: str = "ground") -> Survey:
    return Survey(
        "s",
        tuple(
            SurveyPoint(floor_id, x_m, y_m, f"g{number}", -60.0, 1.0, 1, 1.0)
            for number in range(gateways)
        ),
    )


def test_a_digit_says_how_many_heard_it_where_it_is() -> None:
    lines = as_characters(FLOOR, heard_by(3, 19.5, 9.5), 10)

    assert lines == [
        ".........3",
        "..........",
        "#####.....",
        "..........",
        "..........",
    ]


def test_more_than_nine_are_nine_and_the_border_is_inside() -> None:
    lines = as_characters(FLOOR, heard_by(12, 20.0, 0.0), 10)

    assert lines[-1] == ".........9"


def test_places_of_other_floors_are_not_drawn() -> None:
    assert "3" not in "".join(as_characters(FLOOR, heard_by(3, 15.0, 8.0, "first"), 10))


def test_the_drawing_is_svg_with_every_floor_and_its_places() -> None:
    first = replace(FLOOR, floor_id="first")
    survey = Survey("s", heard_by(1, 12.0, 8.0).points + heard_by(6, 13.0, 8.0, "first").points)

    drawn = ET.fromstring(as_svg((FLOOR, first), survey))

    circles = list(drawn.iter("{http://www.w3.org/2000/svg}circle"))
    assert [circle.get("fill") for circle in circles] == [COLOURS[0], COLOURS[2]]
    assert [circle.get("cy") for circle in circles] == ["-8.00", "-8.00"]
    texts = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["ground", "first"]
    titles = [title.text for title in drawn.iter("{http://www.w3.org/2000/svg}title")]
    assert "Salt & <pepper>" in titles
