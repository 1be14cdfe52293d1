"""How well an offer fits this shopper at this shelf, in cents, and why, in words.

P(response) x margin x need - fatigue. The signs add up in log-odds (`offers.interests`); what was
seen of a campaign moves the P(response) that they make (`offers.learning`).
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from offers.campaign import Campaign
from offers.choice import categories_with, named_products, product_parts
from offers.goods import NOTHING_CHOSEN, Product
from offers.habits import need
from offers.interests import (
    WANTED_LOG_ODDS,
    Part,
    baskets_now,
    category_gain,
    category_parts,
    look_parts,
    stated_on,
)
from offers.known import NOTHING_KNOWN, Known, Opinion, Profile
from offers.learning import Rival, Warmth, belief_of, warmth_of
from offers.odds import share_of
from offers.pressure import WEEK
from offers.situation import Browsed, Situation
from shoppers.consent import Purpose

# Assumed until attribution has taught us better: one shopper in a hundred responds to an offer at
# the shelf out of the blue.
BASE_ODDS: Final = 0.01
_BASE_LOG_ODDS: Final = math.log(BASE_ODDS)
_NEAR: Final = "you are near it"
_WANTED: Final = "you said that you like it"
_UNWANTED: Final = "you asked for no offers of this kind"
# The reasons that rest on nothing that was inferred: they stay when profiling is no longer allowed.
SAID_WITHOUT_PROFILE: Final = frozenset({_NEAR, _WANTED, _UNWANTED})
# However many signs agree, three in five respond at most.
MAX_LOG_ODDS_GAIN: Final = 5.0
# Below this expected margin a message costs more goodwill than it earns.
RELEVANCE_THRESHOLD_CENTS: Final = 1.0
# Assumed: what each message of the last seven days takes off the goodwill for the next one.
FATIGUE_CENTS: Final = 0.5
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
# What was carted in the app longer ago than this is no longer the cart of this visit.
_CART_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Leaning:
    """What the signs say of some categories. need: 0 to 1, how much of it is needed again now."""

    log_odds_gain: float
    need: float
    because: tuple[str, ...]  # the strongest first


class Leanings:
    """What the signs say of any categories, for one shopper at one moment.

    Thousands of campaigns share some dozens of categories: each is weighed once.
    """

    def __init__(
        self,
        looks: Sequence[Browsed],
        known: Known,
        now: datetime,
        cart: AbstractSet[str] | None = None,
    ) -> None:
        """cart: the categories that may call for others; None for those that the looks tell of."""
        self._known, self._now = known, now
        self.cart: Final = cart_of(looks, now) if cart is None else cart
        self._looks: defaultdict[str, list[tuple[str, datetime]]] = defaultdict(list)
        for look in looks:
            self._looks[look.category].append((look.kind, look.at))
        self.looked_at: Final = frozenset(self._looks)
        self._gains: dict[str, float] = {}
        self._baskets = baskets_now(known.profile, now)
        self._seen: dict[tuple[str, ...], tuple[Part, ...]] = {(): ()}

    def strength(self, categories: AbstractSet[str]) -> tuple[float, float]:
        """`log_odds_gain` and `need` of the leaning, without its words."""
        best, gain = self.best(categories)
        if not self.looked_at.isdisjoint(categories):
            gain += sum(part.log_odds for part in self._look_parts(categories))
        return min(gain, MAX_LOG_ODDS_GAIN), self.need_of(best)

    def need_of(self, category: str) -> float:
        """How much it is needed again now, 0 to 1."""
        return need(self._known.profile.habits.get(category), self._now)

    def of(self, categories: AbstractSet[str]) -> Leaning:
        """What all signs together say of these categories.

        An offer for several categories is judged by the one that fits best: a person who buys pasta
        every week is not put off by the rice beside it.
        """
        return Leaning(*self.strength(categories), self.because(categories))

    def because(self, categories: AbstractSet[str]) -> tuple[str, ...]:
        """The words of the leaning."""
        best, _ = self.best(categories)
        parts = category_parts(self._known, best, self.cart, self._now)
        telling = sorted((*self._look_parts(categories), *parts), key=lambda part: -part.log_odds)
        return tuple([part.because for part in telling if part.because])

    def best(self, categories: AbstractSet[str]) -> tuple[str, float]:
        """The category that most is said for, looking in the app aside, and how much. Of none
        nothing is said."""
        best, most, gains = "", 0.0, self._gains
        for category in categories:
            gain = gains.get(category)
            if gain is None:
                gain = gains[category] = category_gain(
                    self._known, category, self.cart, self._baskets, self._now
                )
            if not best or gain > most or (gain == most and category < best):
                best, most = category, gain
        return best, most

    def _look_parts(self, categories: AbstractSet[str]) -> tuple[Part, ...]:
        names = tuple(sorted([name for name in categories if name in self._looks]))
        known = self._seen.get(names)
        if known is None:
            looks = [look for name in names for look in self._looks[name]]
            known = self._seen[names] = look_parts(looks, self._now)
        return known


class _Fit(NamedTuple):
    """What the score says of some categories. worth: response x need. A tuple: there are some sixty
    in each decision, and a frozen dataclass takes a microsecond to make."""

    response: float
    need: float
    worth: float
    context: Warmth


# For somebody of whom nothing is known.
_ANYBODYS: Final = share_of(_BASE_LOG_ODDS)
_ANYONES: Final = _Fit(_ANYBODYS, 1.0, _ANYBODYS, Warmth.COLD)
# For what is unwanted.
_UNFIT: Final = _Fit(0.0, 0.0, 0.0, Warmth.COLD)


class Kept:
    """What was worked out for one shopper, for as long as it holds.

    A shopper is decided on every second. What the signs say of a category changes by the hour, with
    what is known, or when they look at something else.
    """

    def __init__(self) -> None:
        self._of: tuple[object, ...] | None = None
        self.leanings = Leanings((), NOTHING_KNOWN, _LONG_AGO)
        self.fits: dict[AbstractSet[str], _Fit] = {}
        self.fits_alone: dict[str, _Fit] = {}

    def hold(self, looks: Sequence[Browsed], known: Known, at: datetime) -> "Kept":
        """Itself, right for these looks, this knowledge and this full hour."""
        profile, learnt = known.profile, known.learnt
        of = at, looks, profile.since, profile.stated, learnt.since
        if of != self._of:
            self._of = of
            self.leanings = Leanings(looks, known, at)
            self.fits, self.fits_alone = {}, {}
        return self


class Fitting:
    """How well campaigns fit one situation, by the signs as of its full hour.

    What was inferred counts only with the consent that let it be kept; what the shopper said of
    a category counts always. An unwanted category is worth nothing, whatever the rest says.
    """

    def __init__(
        self, situation: Situation, known: Known = NOTHING_KNOWN, kept: Kept | None = None
    ) -> None:
        """kept: of the shopper's decision before, to be used and renewed."""
        looks: Sequence[Browsed] = situation.browsed
        self._goods, self._chosen = situation.goods, situation.chosen
        self._here = situation.moment.zone_id
        self._profile = known.profile
        self._learning = known.learning
        if Purpose.PROFILING not in situation.shopper.consents:
            looks, known = (), Known(Profile(stated=known.profile.stated))
            self._chosen = NOTHING_CHOSEN
        now = situation.now.replace(minute=0, second=0, microsecond=0)
        self._known, self._looks, self._now = known, looks, now
        kept = (kept or Kept()).hold(looks, known, now)
        self._leanings, self._fits, self._fits_alone = kept.leanings, kept.fits, kept.fits_alone
        self._cart = self._leanings.cart
        self._fits_named: dict[tuple[AbstractSet[str], AbstractSet[str]], _Fit] = {}
        self._without_cart: Leanings | None = None
        self._fatigue_cents = FATIGUE_CENTS * situation.pressure.since(situation.now - WEEK)

    def expected_cents(self, campaign: Campaign) -> float:
        """The expected margin of sending, in cents, by all that is known."""
        return self.all_expected_cents((campaign,))[0]

    def all_expected_cents(self, campaigns: Iterable[Campaign]) -> list[float]:
        """`expected_cents` of each. One loop: with a hundred candidates it is half a decision."""
        fits, learning, fatigue_cents = self._fits, self._learning, self._fatigue_cents
        goods = self._goods.products
        found = []
        for campaign in campaigns:
            offer = campaign.offer
            if goods and offer.product_ids:
                fit = self._fit(campaign)
            else:
                categories = campaign.categories
                known = fits.get(categories)
                fit = fits[categories] = self._new_fit(categories) if known is None else known
            worth = fit.worth
            if learning and worth:
                tried = learning.get(campaign.campaign_id)
                if tried is not None and fit.context in tried:
                    worth = belief_of(fit.response, tried[fit.context]).mean * fit.need
            found.append(worth * (offer.margin_cents - offer.cost_cents) - fatigue_cents)
        return found

    def rival(self, campaign: Campaign) -> Rival:
        """The campaign as `offers.learning.drawn` takes it. Not for what is unwanted."""
        fit = self._fit(campaign)
        tried = self._learning.get(campaign.campaign_id, {}).get(fit.context)
        offer = campaign.offer
        return Rival(
            campaign.campaign_id,
            belief_of(fit.response, tried),
            fit.need * (offer.margin_cents - offer.cost_cents),
            self._fatigue_cents,
        )

    def context(self, campaign: Campaign) -> Warmth:
        """How keen the score takes the shopper to be: what a response is counted under."""
        return self._fit(campaign).context

    def because(self, campaign: Campaign) -> tuple[str, ...]:
        """The reasons a shopper may read."""
        categories: AbstractSet[str] = campaign.categories
        products: Sequence[Product] = ()
        if self._goods.products:
            products = named_products(self._goods, campaign.offer.product_ids)
            categories = categories_with(categories, products)
        opinion = stated_on(self._profile, categories)
        if opinion is Opinion.UNWANTED:
            return (_UNWANTED,)
        said = (_WANTED,) if opinion is Opinion.WANTED else ()
        if not products:
            return (_NEAR, *said, *self._leanings.because(categories))
        telling = [part.because for part in self._parts(products) if part.because]
        return (_NEAR, *said, *telling, *self._uncalled.because(categories))

    def _fit(self, campaign: Campaign) -> _Fit:
        categories, named = campaign.categories, campaign.offer.product_ids
        if self._goods.products and named:
            fit = self._fits_named.get((categories, named))
            if fit is None:
                products = named_products(self._goods, named)
                fit = self._new_fit_of(categories, products)
                self._fits_named[categories, named] = fit
            return fit
        fit = self._fits.get(categories)
        if fit is None:
            fit = self._fits[categories] = self._new_fit(categories)
        return fit

    def _new_fit_of(self, categories: AbstractSet[str], products: Sequence[Product]) -> _Fit:
        """Of an offer for these products: what goes with the cart is asked of each of them, and by
        where it lies, in place of the categories."""
        if not products:
            return self._new_fit(categories)
        categories = categories_with(categories, products)
        opinion = stated_on(self._profile, categories)
        if opinion is Opinion.UNWANTED:
            return _UNFIT
        gain, needed = self._uncalled.strength(categories)
        gain = min(gain + sum(part.log_odds for part in self._parts(products)), MAX_LOG_ODDS_GAIN)
        return _fit_of(max(gain, WANTED_LOG_ODDS) if opinion is Opinion.WANTED else gain, needed)

    def _parts(self, products: Sequence[Product]) -> tuple[Part, ...]:
        cart, chosen, learnt = self._cart, self._chosen, self._known.learnt
        return product_parts(products, cart, chosen, self._goods, self._here, learnt)

    @property
    def _uncalled(self) -> Leanings:
        """The leanings as if nothing were in the cart to call for anything."""
        if self._without_cart is None:
            self._without_cart = Leanings(self._looks, self._known, self._now, frozenset())
        return self._without_cart

    def _new_fit(self, categories: AbstractSet[str]) -> _Fit:
        opinion = stated_on(self._profile, categories) if self._profile.stated else None
        if opinion is Opinion.UNWANTED:
            return _UNFIT
        leanings = self._leanings
        if opinion is None and leanings.looked_at.isdisjoint(categories):
            # Nearly always: then it is as if the offer were for its best category alone.
            best, gain = leanings.best(categories)
            fit = self._fits_alone.get(best)
            if fit is None:
                needed = leanings.need_of(best)
                fit = self._fits_alone[best] = _fit_of(min(gain, MAX_LOG_ODDS_GAIN), needed)
            return fit
        gain, needed = leanings.strength(categories)
        return _fit_of(max(gain, WANTED_LOG_ODDS) if opinion is Opinion.WANTED else gain, needed)


def _fit_of(gain: float, needed: float) -> _Fit:
    if gain == 0.0 and needed == 1.0:
        return _ANYONES
    response = share_of(_BASE_LOG_ODDS + gain)
    return _Fit(response, needed, response * needed, warmth_of(gain))


def cart_of(looks: Sequence[Browsed], now: datetime) -> frozenset[str]:
    """The categories in the cart of this visit."""
    return frozenset(
        look.category
        for look in looks
        if look.kind == "carted" and (now - look.at).total_seconds() < _CART_S
    )
