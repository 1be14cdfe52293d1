"""What is risky in a policy, and what changes from one to the next, in sentences."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from corsia.policy_files import cap_words
from offers.pressure import LOOKS_BACK, Cap, Policy, Scope

# DESIGN 7: two or more messages a visit drive people to delete the app.
RISKY_A_VISIT: Final = 2
# The most that is usual (Braze lets a global control group be 1 to 15 of 100).
LARGE_HOLD_OUT: Final = 0.15
# Hardly a visit is longer, so that a cap over this time is a cap on the visit too.
LONGEST_VISIT: Final = timedelta(hours=12)
# A day in which the clocks change has an hour more or less.
_CLOCK_CHANGE: Final = timedelta(hours=1)


def risks(policy: Policy) -> Iterable[str]:
    """A sentence for each thing that is allowed and seldom wise."""
    a_visit = _most_a_visit(policy)
    if a_visit is None:
        yield "no cap on the visit: add {scope: visit, most: 1}, or a shopper may get push on push"
    elif a_visit >= RISKY_A_VISIT:
        yield (
            f"{a_visit} messages in one visit are allowed: two or more drive people to delete"
            " the app"
        )
    if not any(cap.scope is Scope.SHOPPER for cap in policy.caps):
        yield "no cap on the shopper over several visits: add {scope: shopper, most: 2, within: 7d}"
    for cap in policy.caps:
        if cap.most == 0:
            yield f"{cap_words(cap)}: no offer is ever sent; to stop for a while, `corsia halt`"
        elif (stricter := _stricter(cap, policy)) is not None:
            yield f"{cap_words(cap)}: never reached, as {cap_words(stricter)} holds before it"
    if policy.first_after_s == 0:
        yield 'first_after_s is 0: a push at the door says "we watch you"'
    if policy.hold_out_share == 0:
        yield "hold_out_share is 0: the worth of all offers together cannot be told"
    elif policy.hold_out_share > LARGE_HOLD_OUT:
        yield (
            f"hold_out_share is {policy.hold_out_share:g}: more than {LARGE_HOLD_OUT:g} costs"
            " sales and tells little more"
        )


def changes(before: Policy, after: Policy) -> Iterable[str]:
    """A sentence for each difference; none when both are the same but for the order of caps."""
    old = {(cap.scope, cap.within, cap.days): cap for cap in before.caps}
    new = {(cap.scope, cap.within, cap.days): cap for cap in after.caps}
    for key, cap in new.items():
        if key not in old:
            yield f"new: {cap_words(cap)}"
        elif (was := old[key].most) != cap.most:
            yield f"{cap_words(cap)}, before {was}"
    for key, cap in old.items():
        if key not in new:
            yield f"gone: {cap_words(cap)}"
    if before.first_after_s != after.first_after_s:
        yield f"first_after_s: {after.first_after_s:g}, before {before.first_after_s:g}"
    if before.hold_out_share != after.hold_out_share:
        some = "join it" if after.hold_out_share > before.hold_out_share else "leave it"
        yield (
            f"hold_out_share: {after.hold_out_share:g}, before {before.hold_out_share:g}:"
            f" some shoppers {some}, nobody the other way"
        )


def _most_a_visit(policy: Policy) -> int | None:
    """How many messages the caps leave to one visit; None when nothing bounds them."""
    scopes = {Scope.VISIT, Scope.STORE, Scope.SHOPPER}
    return min(
        (
            cap.most
            for cap in policy.caps
            if cap.scope in scopes and _reaches_back(cap) >= LONGEST_VISIT
        ),
        default=None,
    )


def _stricter(cap: Cap, policy: Policy) -> Cap | None:
    """A cap of the same scope that is full whenever this one is."""
    return next(
        (
            other
            for other in policy.caps
            if other is not cap
            and other.scope is cap.scope
            and other.most <= cap.most
            and _covers(other, cap)
        ),
        None,
    )


def _covers(wide: Cap, narrow: Cap) -> bool:
    """Whether all that the narrow one counts is counted by the wide one, at whatever hour."""
    if wide.days is not None and narrow.days is not None:
        return wide.days >= narrow.days
    if narrow.days is not None:
        return _reaches_back(wide) >= timedelta(days=narrow.days) + _CLOCK_CHANGE
    return _reaches_back(wide) >= _reaches_back(narrow)


def _reaches_back(cap: Cap) -> timedelta:
    """How far back a cap counts at least, just after midnight."""
    if cap.days is not None:
        return timedelta(days=cap.days - 1) - _CLOCK_CHANGE
    return LOOKS_BACK if cap.within is None else cap.within
