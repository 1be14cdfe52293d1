"""What a survey measured: a handset was carried over the floor, and this is how loud it was where.

A value for the radio map; `beacons.survey_walk` makes it from a walk.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SurveyPoint:
    """One gateway at one place. A place at which a gateway was not heard has no point for it.

    mean_rssi_dbm: over all adverts heard. sd_rssi_db: of the windows' means about it, 0 when there
    was only one. count: adverts. seconds: spent at the place, so that silence is evidence.
    """

    floor_id: str
    x_m: float
    y_m: float
    gateway_id: str
    mean_rssi_dbm: float
    sd_rssi_db: float
    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Survey:
    """One handset on one day. How much louder it is than others is not known.

    Points of one place have the same coordinates and seconds, and follow each other.
    """

    survey_id: str
    points: tuple[SurveyPoint, ...]
