"""The reasons in words: why nothing was sent, and what would have had to be otherwise.

From what is stored of a decision alone, so that it is told the same a year later.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from offers.filters import (
    binding_caps,
    message_of,
    reason_of,
)
from offers.pressure import LOOKS_BACK, is_promotion, reached
from offers.situation import Reason, Situation, Weighed

# Whose numbers differ from campaign to campaign.
_OWN_CAPS: Final = frozenset({Reason.CAMPAIGN_CAP, Reason.CATEGORY_CAP})
DAY_S: Final = 86_400.0
WEEK_S: Final = 7 * DAY_S


@dataclass(frozen=True, slots=True)
class FullCap:
    """A cap without room, as decisions store it.

    sent: what counted against it. within_s, days: its time, as `pressure.Cap` has it.
    """

    reason: Reason
    most: int
    sent: int
    within_s: float | None
    days: int | None


def full_caps(situation: Situation, campaign_id: str | None) -> list[FullCap]:
    """The caps without room for a candidate; None: for whatever promotion."""
    candidates = (one.campaign for one in situation.candidates)
    campaign = next((one for one in candidates if one.campaign_id == campaign_id), None)
    caps = situation.policy.caps if campaign is None else binding_caps(situation, campaign)
    wanted, messages = message_of(situation, campaign), situation.pressure.messages
    return [
        FullCap(
            reason_of(one.cap),
            one.cap.most,
            one.sent,
            None if one.cap.within is None else one.cap.within.total_seconds(),
            one.cap.days,
        )
        for one in reached(caps, wanted, messages, situation.local)
    ]


def caps_apart(situation: Situation, weighed: Iterable[Weighed]) -> dict[str, list[FullCap]]:
    """The caps without room of each candidate for which they are not those of the first: by its
    campaign."""
    found: dict[str, list[FullCap]] = {}
    is_first_promotion: bool | None = None
    for one in weighed:
        if is_first_promotion is None:
            is_first_promotion = is_promotion(one.tier)
        is_like_first = is_promotion(one.tier) is is_first_promotion
        if not is_like_first or not _OWN_CAPS.isdisjoint(one.against):
            found[one.campaign_id] = full_caps(situation, one.campaign_id)
    return found


def seen_by(seen: Mapping[str, Any], campaign_id: str) -> Mapping[str, Any]:
    """What the decision saw, with the caps as they were for that campaign."""
    apart = seen.get("caps_apart", {})
    return {**seen, "caps": apart[campaign_id]} if campaign_id in apart else seen


def why(reason: Reason, seen: Mapping[str, Any]) -> str:
    """The reason as a clause. seen: what the decision saw, as stored (`seen_by`)."""
    return _clauses(_WHY[reason], reason, seen)


def unless(reason: Reason, seen: Mapping[str, Any]) -> str:
    """What would have had to be otherwise, as a clause after "it would have been sent"."""
    return _clauses(_UNLESS[reason], reason, seen)


def _clauses(sentence: str, reason: Reason, seen: Mapping[str, Any]) -> str:
    """The sentence, once for each cap behind the reason."""
    said = [sentence.format_map(_Facts(cap, seen)) for cap in _caps(reason, seen)]
    return " and ".join(dict.fromkeys(said))


class _Facts(dict[str, object]):
    """The facts that a sentence may name; `?` for one that an old decision did not keep."""

    def __init__(self, cap: Mapping[str, Any], seen: Mapping[str, Any]) -> None:
        moment, limits = seen.get("moment", {}), seen.get("limits", {})
        super().__init__(
            {
                "country": seen.get("country", "?"),
                "confidence": _percent(moment.get("confidence")),
                "least_confidence": _percent(limits.get("confidence")),
                "visit_age": _seconds(moment.get("visit_age_s")),
                "first_after": _seconds(limits.get("first_after_s")),
                "still_here": _percent(moment.get("still_here_p")),
                "least_still_here": _percent(limits.get("still_here_p")),
                "threshold": limits.get("worth_cents", "?"),
                "sent": "?" if cap.get("sent") is None else cap["sent"],
                "times": _times(cap.get("sent")),
                "more": _one_more(cap.get("sent")),
                "span": _span(cap),
                "within": _duration(cap.get("within_s")),
            }
        )


def _caps(reason: Reason, seen: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The caps behind a reason; of a decision of before caps were stored, what is known of it."""
    found = [cap for cap in seen.get("caps", ()) if cap["reason"] == reason.value]
    before = seen.get("pressure", {})
    match reason:
        case _ if found:
            return found
        case Reason.VISIT_CAP:
            return [{"sent": before.get("sent_this_visit")}]
        case Reason.WEEK_CAP:
            return [{"sent": before.get("sent_last_7_days"), "days": None, "within_s": WEEK_S}]
        case Reason.COOL_DOWN:
            return [{"within_s": seen.get("limits", {}).get("cool_down_s")}]
        case _:
            return [{}]


def _span(cap: Mapping[str, Any]) -> str:
    """The time that a cap is for."""
    days, within_s = cap.get("days"), cap.get("within_s")
    if days is not None:
        return "today" if days == 1 else f"in {days} calendar days"
    return f"in {_duration(LOOKS_BACK.total_seconds() if within_s is None else within_s)}"


def _duration(seconds: float | None) -> str:
    """In the largest unit of which it is several, or one hour or less."""
    if seconds is None:
        return "?"
    for unit_s, unit, least in ((DAY_S, "day", 2), (3_600.0, "hour", 1), (60.0, "minute", 1)):
        if seconds >= least * unit_s and seconds % unit_s == 0:
            count = round(seconds / unit_s)
            return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
    return f"{seconds:.0f} s"


def _times(count: int | None) -> str:
    if count is None:
        return "? times"
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _percent(share: float | None) -> str:
    return "?" if share is None else f"{share:.0%}"


def _seconds(seconds: float | None) -> str:
    return "?" if seconds is None else f"{seconds:.0f} s"


def _one_more(count: int | None) -> object:
    return "?" if count is None else count + 1


_WHY: Final[Mapping[Reason, str]] = {
    Reason.NO_CAMPAIGN: "no campaign runs in this zone",
    Reason.STOPPED: "an operator had halted everything, or this store",
    Reason.NO_CONSENT: "the shopper does not allow location and push",
    Reason.COUNTRY_UNKNOWN: "no rules are known for the country {country}",
    Reason.NO_PUSH_TARGET: "no handset of the shopper can be pushed to",
    Reason.QUIET_ZONE: "nobody is messaged in a zone of this kind",
    Reason.UNSURE_PLACE: "only {confidence} sure of the zone",
    Reason.VISIT_TOO_YOUNG: "the visit was {visit_age} old",
    Reason.LEAVING_SOON: "with {still_here} they would still be here when it is read",
    Reason.CAMPAIGN_STOPPED: "an operator had halted the campaign",
    Reason.NOT_LIVE: "the campaign was not live",
    Reason.OUTSIDE_AUDIENCE: "the shopper is not in its audience",
    Reason.OUTSIDE_DATES: "outside its dates",
    Reason.OUTSIDE_HOURS: "outside its hours",
    Reason.BUDGET_SPENT: "its budget was spent",
    Reason.OUT_OF_STOCK: "all that it offers was out of stock in the store",
    Reason.OWN_CAP: "{sent} sent {span}, and the shopper allows no more",
    Reason.VISIT_CAP: "{sent} sent in this visit already",
    Reason.ZONE_VISIT_CAP: "{sent} sent in this zone already",
    Reason.DAY_CAP: "{sent} sent {span} already",
    Reason.WEEK_CAP: "{sent} sent {span} already",
    Reason.CHANNEL_CAP: "{sent} pushed {span} already",
    Reason.STORE_CAP: "{sent} sent from this store {span} already",
    Reason.CAMPAIGN_CAP: "the campaign was sent {times} {span}",
    Reason.CATEGORY_CAP: "{sent} sent of one of its categories {span}",
    Reason.CAMPAIGN_SEEN: "sent in this visit already",
    Reason.COOL_DOWN: "another was sent less than {within} before",
    Reason.FATIGUED: "the shopper ignored the last ones",
    Reason.HELD_OUT: "the shopper is in the hold-out from all campaigns",
    Reason.CONTROL_GROUP: "the shopper is in its control group",
    Reason.BELOW_RELEVANCE: "worth less than {threshold} cents",
    Reason.OUTRANKED: "another fitted better",
    Reason.CAP_RACE: "another decision took the last place under the caps, or its budget",
}
_UNLESS: Final[Mapping[Reason, str]] = {
    Reason.NO_CAMPAIGN: "with a campaign in this zone",
    Reason.STOPPED: "without the halt",
    Reason.NO_CONSENT: "with consent to location and push",
    Reason.COUNTRY_UNKNOWN: "with rules for the country {country}",
    Reason.NO_PUSH_TARGET: "with a handset that can be pushed to",
    Reason.QUIET_ZONE: "in a zone where people look at goods",
    Reason.UNSURE_PLACE: "with {least_confidence} certainty of the zone",
    Reason.VISIT_TOO_YOUNG: "from {first_after} into the visit on",
    Reason.LEAVING_SOON: "with at least {least_still_here} to be still here when it is read",
    Reason.CAMPAIGN_STOPPED: "without the halt of the campaign",
    Reason.NOT_LIVE: "with the campaign live",
    Reason.OUTSIDE_AUDIENCE: "with the shopper in its audience",
    Reason.OUTSIDE_DATES: "within its dates",
    Reason.OUTSIDE_HOURS: "within its hours",
    Reason.BUDGET_SPENT: "with budget left",
    Reason.OUT_OF_STOCK: "with one of its products in stock",
    Reason.OWN_CAP: "with {more} {span} allowed by the shopper",
    Reason.VISIT_CAP: "with a cap of {more} a visit",
    Reason.ZONE_VISIT_CAP: "with a cap of {more} a stay in a zone",
    Reason.DAY_CAP: "with a cap of {more} {span}",
    Reason.WEEK_CAP: "with a cap of {more} {span}",
    Reason.CHANNEL_CAP: "with a cap of {more} pushes {span}",
    Reason.STORE_CAP: "with a cap of {more} from this store {span}",
    Reason.CAMPAIGN_CAP: "with a cap of {more} for the campaign {span}",
    Reason.CATEGORY_CAP: "with a cap of {more} for the category {span}",
    Reason.CAMPAIGN_SEEN: "in a visit in which it was not sent before",
    Reason.COOL_DOWN: "with none sent in the {within} before",
    Reason.FATIGUED: "had one of the last ones been opened",
    Reason.HELD_OUT: "outside the hold-out, where the shopper stays for its whole time",
    Reason.CONTROL_GROUP: "outside the control group, where the shopper stays for its whole time",
    Reason.BELOW_RELEVANCE: "with a worth of {threshold} cents",
    Reason.OUTRANKED: "without the one that fitted better",
    Reason.CAP_RACE: "a moment earlier",
}
