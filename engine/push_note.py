"""What a claimed row of the outbox says on the handset."""

import msgspec

from db.outbox import Claimed
from engine.fcm_message import PushNote
from offers.campaign import Campaign
from offers.creative import creative_for


def note_of(claimed: Claimed) -> PushNote:
    """The push for a claimed row, in the shopper's language. Its target must not be None."""
    offer = msgspec.convert(claimed.campaign, Campaign).offer
    creative = creative_for(offer, claimed.locale)
    return msgspec.convert(
        {
            "decision_id": claimed.decision_id,
            "title": creative.title,
            "body": creative.body,
            "image_url": creative.image_url,
            "target_kind": claimed.target_kind,
            "target_value": claimed.target_value,
            "platform": claimed.platform,
            # One visit shows one offer at a time: a later one replaces it.
            "collapse_key": f"visit-{claimed.visit_id}",
            "expires_at": claimed.expires_at,
            "zone_id": claimed.zone_id,
            "deep_link": offer.deep_link,
        },
        PushNote,
    )
