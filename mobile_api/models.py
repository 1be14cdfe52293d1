"""The bodies of the HTTP contract, received and answered."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from mobile_api.fields import (
    Base64Of32,
    Country,
    Instant,
    Locale,
    Metres,
    Name,
    OwnId,
    TargetValue,
    TheirId,
    Word,
)
from mobile_api.operations import HeaderParameters, Parameters, Received
from shoppers.consent import Purpose

# A handset that was away for a day sends its events in several requests.
MAX_EVENTS = 100
# More answers than there are questions: every purpose asked a few times while offline.
MAX_GRANTS = 20
# More a week than this is no limit any more; leaving it to the retailer is null.
MAX_PUSHES_PER_WEEK = 20
# A tap that was made out of the network's reach comes a little later; a walk takes minutes.
MAX_TAP_AGE_MS = 600_000

Platform = Literal["android", "ios", "web"]


# --- gateways ---------------------------------------------------------------------------------
class Enrolment(Received):
    """What a new gateway shows: its one-time code and the key that it made for itself."""

    code: Name
    public_key: Base64Of32 = Field(description="Ed25519, 32 octets in base64")
    software: Name


class GatewayPath(Parameters):
    """Which gateway. Not checked here: one that cannot be ours is an unknown gateway."""

    gateway_id: str


class Enrolled(BaseModel):
    """Who the gateway is from now on."""

    gateway_id: str
    store_id: str
    tenant: str
    namespace: str = Field(description="4 octets in hex that mark this operator's handsets on air")


class BatchTaken(BaseModel):
    """The batch is safe; `duplicate` says that it was already."""

    duplicate: bool


# --- handsets ---------------------------------------------------------------------------------
class GrantBody(Received):
    """One answer to one question, and which text asked it."""

    purpose: Purpose
    granted: bool
    text_version: Word
    locale: Locale


class Registration(Received):
    """A new installation of the app."""

    platform: Platform
    app_version: Word
    locale: Locale
    country: Country
    consents: list[GrantBody] = Field(default_factory=list, max_length=MAX_GRANTS)


class Tokens(BaseModel):
    """How the handset identifies itself: a short token, and the one that renews it once."""

    access_token: str
    access_expires_at: Instant
    refresh_token: str


class Ceid(BaseModel):
    """From what the handset computes the identifier that it sends on air."""

    secret: Base64Of32 = Field(description="32 octets in base64; never leaves the handset")
    window_s: int


class GrantState(BaseModel):
    """The last word on one purpose."""

    purpose: Purpose
    granted: bool
    text_version: str
    locale: str
    at: Instant


class HandsetState(BaseModel):
    """What the backend holds to be true of the handset."""

    handset_id: str
    shopper_id: str
    tenant: str
    namespace: str
    ceid: Ceid | None = Field(description="none without consent to location_ble")
    consents: list[GrantState]


class Registered(HandsetState):
    """A handset's state with its first tokens."""

    tokens: Tokens


class RefreshRequest(Received):
    """A refresh token; each is good for one use."""

    refresh_token: str = Field(pattern=r"^[A-Za-z0-9_-]{43}$")


class ConsentChange(Received):
    """Answers to add to the ledger, in order."""

    consents: list[GrantBody] = Field(min_length=1, max_length=MAX_GRANTS)


class PushTarget(Received):
    """Where pushes for this handset go."""

    kind: Literal["fid", "token"]
    value: TargetValue
    platform: Platform


# --- preferences ------------------------------------------------------------------------------
class PreferenceChange(Received):
    """How many pushes in seven days the shopper allows; 0: none, null: as the retailer thinks."""

    pushes_per_week: int | None = Field(ge=0, le=MAX_PUSHES_PER_WEEK)


class Preferences(BaseModel):
    """What the shopper has set; null: nothing, it is left to the retailer."""

    pushes_per_week: int | None


# --- browsing ---------------------------------------------------------------------------------
class BrowsingEvent(Received):
    """One look at something in the app."""

    event_id: TheirId
    kind: Literal["viewed", "searched", "listed", "carted"]
    category: Name
    product: Name | None = None
    at: Instant


class BrowsingEvents(Received):
    """What was looked at since the last time."""

    events: list[BrowsingEvent] = Field(min_length=1, max_length=MAX_EVENTS)


class Stored(BaseModel):
    """How many were new; repeats are harmless."""

    stored: int


# --- offers -----------------------------------------------------------------------------------
class FeedOffer(BaseModel):
    """An offer to show in the app."""

    decision_id: str | None = Field(description="set when it was sent to this shopper")
    campaign_id: str
    title: str
    body: str
    zone_id: str | None
    valid_until: Instant
    reasons: list[str]


class Feed(BaseModel):
    """Offers for this shopper, best first."""

    offers: list[FeedOffer]


class ReceiptBody(Received):
    """What became of a push on the handset."""

    receipt_id: TheirId
    decision_id: OwnId
    kind: Literal["displayed", "opened", "dismissed"]
    at: Instant


class Receipts(Received):
    """What became of pushes since the last time."""

    receipts: list[ReceiptBody] = Field(min_length=1, max_length=MAX_EVENTS)


class RedemptionRequest(Received):
    """The offer to redeem."""

    decision_id: OwnId


class RedemptionHeaders(HeaderParameters):
    """Makes a repeated request harmless."""

    idempotency_key: str = Field(pattern=r"^[\x21-\x7e]{8,64}$")


class Redeemed(BaseModel):
    """The offer is redeemed; the till reads the code."""

    redemption_id: str
    decision_id: str
    campaign_id: str
    code: str
    redeemed_at: Instant


class DecisionPath(Parameters):
    """Which decision."""

    decision_id: OwnId


class ConsentThen(BaseModel):
    """An answer on a purpose that stood when a decision was taken, and which text had asked."""

    purpose: str
    granted: bool
    text_version: str
    locale: str
    at: Instant


class DecisionExplained(BaseModel):
    """Why this was sent, or why nothing was."""

    decision_id: str
    sent: bool
    campaign_id: str | None
    zone_id: str
    at: Instant
    reasons: list[str] = Field(description="of silence as words of a list, else as sentences")
    why: list[str] = Field(description="the same in sentences for the shopper")
    otherwise: str | None = Field(description="what would have had to be otherwise")
    data_used: list[str]
    consents: list[ConsentThen]


# --- walk surveys -----------------------------------------------------------------------------
class TapBody(Received):
    """ "I am here now", said by whoever walks a survey.

    By age and not by instant: seconds by which a handset's clock is wrong would be metres.
    """

    tap_id: TheirId
    floor_id: Name
    x_m: Metres
    y_m: Metres
    kind: Literal["here", "pause", "end"] = Field(
        "here", description="pause: until the next tap nothing counts; end: the survey is over"
    )
    age_ms: int = Field(ge=0, le=MAX_TAP_AGE_MS, description="since the tap, by a stopwatch")


class Taps(Received):
    """Places tapped since the last time."""

    taps: list[TapBody] = Field(min_length=1, max_length=MAX_EVENTS)


class SurveyFloor(BaseModel):
    """A floor to tap on; polygons are lists of corners in metres."""

    floor_id: str
    outline: list[tuple[float, float]]
    obstacles: list[list[tuple[float, float]]]


class OpenSurvey(BaseModel):
    """The survey that this handset is to walk."""

    survey_id: str
    store_id: str
    opened_at: Instant
    taps: int
    floors: list[SurveyFloor]


class SurveyState(BaseModel):
    """Whether a survey is being made with this handset."""

    survey: OpenSurvey | None


# --- personal data ----------------------------------------------------------------------------
class Export(BaseModel):
    """Everything held about a shopper, by table; secrets and push targets are not shown."""

    exported_at: Instant
    held: dict[str, list[dict[str, Any]]]


# --- system -----------------------------------------------------------------------------------
class Health(BaseModel):
    """The process does its work."""

    status: Literal["ok"]
