"""The reasons for silence in words for the shopper they are about, from what is stored alone."""

from collections.abc import Iterable, Mapping
from typing import Final

from offers.situation import Reason


def to_shopper(reasons: Iterable[str]) -> tuple[str, ...]:
    """Why nothing was sent, a sentence each; those that say the same say it once."""
    return tuple(dict.fromkeys(_SAID[Reason(reason)] for reason in reasons))


def otherwise_to_shopper(lifted: Iterable[Reason], what: str = "It") -> str | None:
    """What would have had to be otherwise, in one sentence; None where nothing can be told.

    what: would have been sent.
    """
    conditions = tuple(dict.fromkeys(_UNLESS[reason] for reason in lifted))
    return f"{what} would have been sent {' and '.join(conditions)}." if conditions else None


_ENOUGH: Final = "You had been sent as much as we allow ourselves."
_LESS_SENT: Final = "had less been sent to you before"
_LOT: Final = (
    "You are one of some people, drawn by lot, who do not get it: only by comparing can we tell"
    " whether an offer is of use."
)
_SAID: Final[Mapping[Reason, str]] = {
    Reason.NO_CAMPAIGN: "There was no offer for this place.",
    Reason.STOPPED: "All offers were halted.",
    Reason.NO_CONSENT: "You had not allowed it.",
    Reason.COUNTRY_UNKNOWN: "We do not know the rules of your country.",
    Reason.NO_PUSH_TARGET: "Your phone takes no messages from us.",
    Reason.QUIET_ZONE: "Nobody is disturbed in this place.",
    Reason.UNSURE_PLACE: "We were not sure enough where you were.",
    Reason.VISIT_TOO_YOUNG: "You had only just come in.",
    Reason.LEAVING_SOON: "You were about to walk on.",
    Reason.CAMPAIGN_STOPPED: "The offer was halted.",
    Reason.NOT_LIVE: "The offer was not on.",
    Reason.OUTSIDE_AUDIENCE: "The offer is for others.",
    Reason.OUTSIDE_DATES: "The offer was not on that day.",
    Reason.OUTSIDE_HOURS: "The offer was not on at that hour.",
    Reason.BUDGET_SPENT: "There were no more of this offer.",
    Reason.OUT_OF_STOCK: "What it offers was sold out.",
    Reason.OWN_CAP: "You had been sent as much as you allow.",
    Reason.VISIT_CAP: _ENOUGH,
    Reason.ZONE_VISIT_CAP: _ENOUGH,
    Reason.DAY_CAP: _ENOUGH,
    Reason.WEEK_CAP: _ENOUGH,
    Reason.CHANNEL_CAP: _ENOUGH,
    Reason.STORE_CAP: _ENOUGH,
    Reason.CAMPAIGN_CAP: "You had been sent this offer before.",
    Reason.CATEGORY_CAP: _ENOUGH,
    Reason.CAMPAIGN_SEEN: "You had been sent this offer before.",
    Reason.COOL_DOWN: "You had been sent something a moment ago.",
    Reason.FATIGUED: "You did not look at the last ones, so we stopped disturbing you.",
    Reason.HELD_OUT: _LOT,
    Reason.CONTROL_GROUP: _LOT,
    Reason.BELOW_RELEVANCE: "We did not think that it would interest you.",
    Reason.OUTRANKED: "Another offer fitted better.",
    Reason.CAP_RACE: "Another message came first.",
}
_UNLESS: Final[Mapping[Reason, str]] = {
    Reason.NO_CAMPAIGN: "had there been an offer for this place",
    Reason.STOPPED: "had offers not been halted",
    Reason.NO_CONSENT: "had you allowed it",
    Reason.COUNTRY_UNKNOWN: "had we known the rules of your country",
    Reason.NO_PUSH_TARGET: "had your phone taken our messages",
    Reason.QUIET_ZONE: "in another place of the store",
    Reason.UNSURE_PLACE: "had we been surer where you were",
    Reason.VISIT_TOO_YOUNG: "a little later in your visit",
    Reason.LEAVING_SOON: "had you been about to stay",
    Reason.CAMPAIGN_STOPPED: "had the offer not been halted",
    Reason.NOT_LIVE: "had the offer been on",
    Reason.OUTSIDE_AUDIENCE: "had the offer been for you",
    Reason.OUTSIDE_DATES: "on another day",
    Reason.OUTSIDE_HOURS: "at another hour",
    Reason.BUDGET_SPENT: "had there been more of this offer",
    Reason.OUT_OF_STOCK: "had it not been sold out",
    Reason.OWN_CAP: "had you allowed more",
    Reason.VISIT_CAP: _LESS_SENT,
    Reason.ZONE_VISIT_CAP: _LESS_SENT,
    Reason.DAY_CAP: _LESS_SENT,
    Reason.WEEK_CAP: _LESS_SENT,
    Reason.CHANNEL_CAP: _LESS_SENT,
    Reason.STORE_CAP: _LESS_SENT,
    Reason.CAMPAIGN_CAP: _LESS_SENT,
    Reason.CATEGORY_CAP: _LESS_SENT,
    Reason.CAMPAIGN_SEEN: "in another visit",
    Reason.COOL_DOWN: "a little later",
    Reason.FATIGUED: "had you opened one of the last ones",
    Reason.HELD_OUT: "had the lot fallen otherwise",
    Reason.CONTROL_GROUP: "had the lot fallen otherwise",
    Reason.BELOW_RELEVANCE: "had we thought that it would interest you",
    Reason.OUTRANKED: "without the other offer",
    Reason.CAP_RACE: "a moment earlier",
}
