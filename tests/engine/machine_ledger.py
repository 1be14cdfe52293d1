"""What SQL and FCM say has happened, held against what may happen, after each step."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import func, select

from db.connect import Database
from db.tables import campaigns as campaigns_table
from db.tables import decisions, outbox, sends
from firmware_sim.fake_fcm import Judged
from tests.engine.machine_cast import shopper_of
from tests.engine.machine_truth import Rules, Sent, best_order, over_caps


class Ledger:
    """All sends and all that FCM accepted, with the rules that held when they were decided.

    decisions: how many must stand in SQL. handset_of: target -> handset. Each `look` raises
    AssertionError when a promise is broken.
    """

    def __init__(self, rules: Rules, judged: list[Judged]) -> None:
        """rules: kept as they are by whoever changes them. judged: what FCM adds to."""
        self.sent: dict[str, Sent] = {}
        self.accepted: list[Sent] = []
        self.given_back: frozenset[str] = frozenset()
        self.decisions = 0
        self.handset_of: dict[str, str] = {}
        self._rules = rules
        self._judged = judged
        self._settled: set[tuple[str, str]] = set()

    async def look(self, database: Database) -> None:
        """Hold what was stored and accepted since the last look against the truth."""
        async with database.read() as tx:
            rows = (
                await tx.execute(
                    select(sends, decisions.c.nth)
                    .join(decisions, decisions.c.id == sends.c.decision_id)
                    .order_by(sends.c.store_id, decisions.c.nth)
                )
            ).all()
            pushes = (await tx.execute(select(outbox))).all()
            budgets = (await tx.execute(select(campaigns_table))).all()
            stored = await tx.scalar(select(func.count()).select_from(decisions))
            sending = await tx.scalar(
                select(func.count()).select_from(decisions).where(decisions.c.outcome == "send")
            )
        assert stored == self.decisions, f"{stored} decisions for {self.decisions} moments"
        assert sending == len(rows), f"{sending} decisions to send, {len(rows)} sends"
        self._look_at_sends(rows)
        given_back = frozenset(row.decision_id for row in rows if row.released_at is not None)
        assert given_back >= self.given_back, "what was given back counts again"
        self.given_back = given_back
        self._look_at_budgets(budgets)
        self._look_at_pushes(pushes)

    def _look_at_sends(self, rows: Sequence[Any]) -> None:
        new = [self._sent(row) for row in rows if row.decision_id not in self.sent]
        for one in new:
            wrong = self._rules.may_push(one.shopper_id, one.campaign_id, one.store_id)
            assert not wrong, f"decided {wrong}: {one}"
        before = list(self.sent.values())
        wrong, order = best_order(new, before, self.given_back, self._rules)
        assert not wrong, "; ".join(wrong)
        self.sent |= {one.decision_id: one for one in order}

    def _sent(self, row: Any) -> Sent:
        return Sent(
            decision_id=row.decision_id,
            shopper_id=row.shopper_id,
            campaign_id=row.campaign_id,
            visit_id=row.visit_id,
            zone_id=row.zone_id,
            store_id=row.store_id,
            at=row.at,
            campaign=self._rules.campaigns[row.campaign_id],
            caps=self._rules.policy.caps,
            own=self._rules.own.get(row.shopper_id),
            hold_out_share=self._rules.policy.hold_out_share,
        )

    def _look_at_budgets(self, budgets: Sequence[Any]) -> None:
        for row in budgets:
            theirs = [
                one
                for one in self.sent.values()
                if one.campaign_id == row.id and one.decision_id not in self.given_back
            ]
            assert row.sends == len(theirs), f"{row.id}: {row.sends} counted, {len(theirs)} sent"
            cents = sum(one.campaign.offer.cost_cents for one in theirs)
            assert row.spent_cents >= cents, f"{row.id}: {row.spent_cents} of {cents} cents known"

    def _look_at_pushes(self, pushes: Sequence[Any]) -> None:
        judged = [one for one in self._judged if one.is_accepted]
        self._judged.clear()
        for push in judged:
            assert push.decision_id is not None
            sent = self.sent.get(push.decision_id)
            assert sent is not None, "a push that nobody decided"
            handset_id = self.handset_of[push.target]
            assert shopper_of(handset_id) == sent.shopper_id, "a push to somebody else"
            wrong = self._rules.may_push(sent.shopper_id, sent.campaign_id, sent.store_id)
            assert not wrong, f"pushed {wrong}: {sent}"
            assert (push.decision_id, handset_id) not in self._settled, (
                "sent again when all was done"
            )
            if sent not in self.accepted:
                self.accepted.append(sent)
        for sent in self.accepted:
            assert sent.decision_id not in self.given_back, f"shown, and given back: {sent}"
        keys = [(one.shopper_id, one.campaign_id, one.visit_id) for one in self.accepted]
        assert len(set(keys)) == len(keys), "twice for one shopper, campaign and visit"
        self._settled = {
            (row.decision_id, row.handset_id) for row in pushes if row.state == "settled"
        }

    def look_at_ends(self, pushes: Sequence[Any]) -> None:
        """Nothing is under way: every send is accounted for. pushes: the whole outbox."""
        ends: dict[str, list[Any]] = {one: [] for one in self.sent}
        for row in pushes:
            assert row.state == "settled", f"still {row.state}"
            assert row.outcome in {"delivered", "expired", "target_gone", "refused"}
            ends[row.decision_id].append(row)
        for decision_id, rows in ends.items():
            assert rows, "a send without a push"
            counts = any(row.outcome == "delivered" or row.maybe_sent for row in rows)
            is_back = decision_id in self.given_back
            assert counts != is_back, "released, or not, against the facts"
        # As the handsets saw it: of those that were shown alone no cap is broken either.
        shown = [one for one in self.sent.values() if one in self.accepted]
        for place, sent in enumerate(shown):
            assert not over_caps(sent, shown[:place], self._rules.tz)

    def look_at_reserved(self, members: Iterable[bytes]) -> None:
        """What was reserved and came to nothing has been given back. members: what Redis has."""
        for member in members:
            theirs = [one for one in self.sent if one.encode() in member]
            assert theirs, f"reserved and never sent: {member!r}"
            assert theirs[0] not in self.given_back, f"given back in SQL alone: {member!r}"
