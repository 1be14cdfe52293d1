"""The bodies that tills send and get, and the code by which they know a shopper."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field

from mobile_api.fields import Instant, Name, Word
from mobile_api.operations import Received

# The longest receipt of a family's month, twice.
MAX_LINES: Final = 500
# A million in the currency: no line of a shop, and all sums stay far within 64 bits.
_MOST_CENTS: Final = 100_000_000
Cents = Annotated[int, Field(ge=0, le=_MOST_CENTS)]
Margin = Annotated[int, Field(ge=-_MOST_CENTS, le=_MOST_CENTS)]


class LineBody(Received):
    """One line of a receipt. Money is of all its pieces together, before the coupon's discount."""

    product_id: Name
    category: Name
    quantity: int = Field(ge=1, le=100_000)
    price_cents: Cents
    margin_cents: Margin | None = Field(
        None, description="leave it out where the till does not know it: it then counts as none"
    )
    discount_cents: Cents = Field(0, description="what the coupon took off")
    coupon: Word | None = Field(None, description="the code of a redemption")


class ReceiptPaid(Received):
    """What was paid at once."""

    receipt_id: Name = Field(description="the till's own; one for ever in its store")
    at: Instant
    member_code: Word | None = Field(None, description="what the shopper's app showed")
    lines: list[LineBody] = Field(min_length=1, max_length=MAX_LINES)


class CouponAnswer(BaseModel):
    """What became of one coupon."""

    code: str
    outcome: Literal["redeemed", "used_before", "unknown"]


class ReceiptTaken(BaseModel):
    """The receipt is safe; sent again it changes nothing."""

    stored: int = Field(description="lines kept now, of a shopper who is known and allows it")
    coupons: list[CouponAnswer]


class MemberCode(BaseModel):
    """What the app shows at the till, as a QR code or in letters."""

    code: str
    until: Instant
