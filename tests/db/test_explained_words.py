"""What would have been otherwise, told to an operator: also where the draw would have decided."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from db.decisions import StoredDecision
from db.explained import told, told_to_shopper

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def weighed(campaign_id: str, score: float, *against: str, tier: int = 3) -> dict[str, Any]:
    return {
        "campaign_id": campaign_id, "score": score, "against": list(against), "relevance": [],
        "tier": tier,
    }  # fmt: skip


HELD = StoredDecision(
    "d-1", "v-1", "s-1", "aisle-7", "hold", "pasta", False, ["visit_cap"],
    [weighed("pasta", 9.0, "visit_cap")],
    {"caps": [{"reason": "visit_cap", "most": 1, "sent": 1, "within_s": None, "days": None}]},
    NOW, NOW,
)  # fmt: skip


@pytest.mark.parametrize(
    ("others", "said"),
    [
        ([], "it would have been sent with a cap of 2 a visit"),
        (
            [weighed("rice", 8.0, "visit_cap")],
            "with a cap of 2 a visit, the draw would have been between it and rice",
        ),
        (
            [weighed("rice", 8.0, "visit_cap", "control_group"), weighed("tea", 7.0, "visit_cap")],
            (
                "with a cap of 2 a visit, the draw would have been between it, rice (silence: its"
                " control group) and tea"
            ),
        ),
        (
            [weighed(f"c-{n}", 8.0 - n, "visit_cap") for n in range(5)],
            "with a cap of 2 a visit, the draw would have been between it, c-0, c-1 and 3 others",
        ),
        (
            [weighed("tray", 1.0, tier=1), weighed("rice", 8.0, "visit_cap")],
            "with a cap of 2 a visit, tray would have been sent instead",
        ),
    ],
)
def test_who_would_have_been_sent_is_said_as_surely_as_it_is_known(
    others: list[dict[str, Any]], said: str
) -> None:
    decision = replace(HELD, weighed=[*HELD.weighed, *others])
    (pasta,) = told(decision, (), "pasta").about
    assert pasta.otherwise == said


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (None, "It would have been sent had less been sent to you before."),
        (
            weighed("rice", 8.0, "visit_cap"),
            "It, or another offer, would have been sent had less been sent to you before.",
        ),
        (
            weighed("tray", 1.0, "visit_cap", tier=2),
            "Another offer would have been sent had less been sent to you before.",
        ),
        (weighed("rice", 8.0, "visit_cap", "control_group"), None),
    ],
)
def test_a_shopper_is_told_of_no_offer_that_they_might_not_have_got(
    other: dict[str, Any] | None, said: str | None
) -> None:
    rows = [weighed("pasta", 9.0, "visit_cap"), *([other] if other else [])]
    assert told_to_shopper(replace(HELD, weighed=rows)).otherwise == said
