"""Policies for Hypothesis: whatever `corsia policy set` takes."""

from datetime import timedelta

from hypothesis import strategies as st

from corsia.policy_files import DAYS_MAX, FIRST_AFTER_MAX_S, MOST_MAX, OF_A_VISIT
from offers.pressure import LOOKS_BACK, Cap, Policy, Scope

_MOST = st.integers(0, MOST_MAX)
_WITHIN = st.integers(1, int(LOOKS_BACK.total_seconds())).map(lambda s: timedelta(seconds=s))
_CAPS = st.one_of(
    st.builds(Cap, st.sampled_from(Scope), _MOST, within=_WITHIN),
    st.builds(Cap, st.sampled_from(Scope), _MOST, days=st.integers(1, DAYS_MAX)),
    st.builds(Cap, st.sampled_from(sorted(OF_A_VISIT)), _MOST),
)
POLICIES = st.builds(
    Policy,
    st.lists(_CAPS, max_size=6, unique_by=lambda cap: (cap.scope, cap.within, cap.days)).map(tuple),
    st.floats(0, FIRST_AFTER_MAX_S),
    st.floats(0, 1),
)
