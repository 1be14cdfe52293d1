"""What a claimed row of the outbox says on the handset."""

import msgspec

from db.outbox import Claimed
from engine.fcm_message import PushNote
from offers.campaign import Campaign


def note_of(claimed: Claimed) -> PushNote:
    """The push for a claimed row. Its target must not be None."""
    campaign = msgspec.convert(claimed.campaign, Campaign)
    return msgspec.convert(
        {
            "decision_id": claimed.decision_id,
            "title": campaign.offer.title,
            "body": campaign.offer.body,
            "image_url": campaign.offer.image_url,
            "target_kind": claimed.target_kind,
            "target_value": claimed.target_value,
            "platform": claimed.platform,
            # One visit shows one offer at a time: a later one replaces it.
            "collapse_key": f"visit-{claimed.visit_id}",
            "expires_at": claimed.expires_at,
            "zone_id": claimed.zone_id,
            "deep_link": None,
        },
        PushNote,
    )
