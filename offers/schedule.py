"""When a campaign may speak: its hours in the store's own time, and public holidays."""

from datetime import datetime
from typing import assert_never

from offers.campaign import Campaign, OnHolidays


def is_scheduled(campaign: Campaign, local: datetime, *, holiday: bool) -> bool:
    """Whether the campaign runs at this moment of a day; its dates are asked elsewhere.

    local: the store's own time. holiday: whether that day is a public holiday there. A span over
    midnight goes by its first day's weekday, and by each calendar day's own holiday.
    """
    match campaign.on_holidays:
        case OnHolidays.NORMAL:
            may_today = True
        case OnHolidays.NEVER:
            may_today = not holiday
        case OnHolidays.ONLY:
            may_today = holiday
        case _:
            assert_never(campaign.on_holidays)
    return may_today and (not campaign.hours or any(span.covers(local) for span in campaign.hours))
