"""Audiences and facts of every shape, and a slow judge of them that shares no code with ours."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from offers.audience import And, Audience, Compared, Did, IsOneOf, Measured, Not, Or, Sign, Term
from offers.audience_fields import (
    CLOSED,
    Bought,
    DeedField,
    Facts,
    Lifecycle,
    MeasureField,
    NumberField,
    WordField,
)

NOW = datetime(2026, 11, 21, 10, 0, tzinfo=UTC)
# Few, so that an audience and a shopper often mean the same one; some that need quotes.
SUBJECTS = ("coffee", "tea", 'a "b" \\c', "and", "12", "caffè latte")
LOCALES = ("it", "it-IT", "zh-Hant", "zh-Hant-TW", "de")

_subjects = st.sampled_from(SUBJECTS)
_ages = st.sampled_from([-60, 0, 1, 30, 60, 120, 1_440, 43_200]).map(lambda m: timedelta(minutes=m))
_instants = _ages.map(lambda age: NOW - age)


def _words_for(field: WordField) -> st.SearchStrategy[str]:
    if field is WordField.LOCALE:
        return st.sampled_from(LOCALES)
    return st.sampled_from(sorted(map(str, CLOSED[field]))) if field in CLOSED else _subjects


def _one_of(field: WordField) -> st.SearchStrategy[Term]:
    words = st.frozensets(_words_for(field), min_size=1, max_size=3)
    return st.builds(IsOneOf, st.just(field), words)


def _measured(field: MeasureField) -> st.SearchStrategy[Term]:
    numbers: st.SearchStrategy[float] = (
        st.sampled_from([0.0, 0.3, 1.0]) | st.floats(1e-9, 1)
        if field is MeasureField.INTEREST
        else st.integers(0, 3) | st.integers(0, 10**9)
    )
    return st.builds(Measured, st.just(field), _subjects, st.sampled_from(Sign), numbers)


terms: st.SearchStrategy[Term] = st.one_of(
    st.sampled_from(WordField).flatmap(_one_of),
    st.builds(Compared, st.sampled_from(NumberField), st.sampled_from(Sign), st.integers(0, 4)),
    st.sampled_from(MeasureField).flatmap(_measured),
    st.builds(
        Did,
        st.sampled_from(DeedField),
        _subjects,
        st.none()
        | st.sampled_from([1, 30, 60, 90, 1_440, 10_080]).map(lambda m: timedelta(minutes=m)),
    ),
)


def _joined(parts: st.SearchStrategy[Audience]) -> st.SearchStrategy[Audience]:
    several = st.lists(parts, min_size=2, max_size=3).map(tuple)
    return st.builds(Not, parts) | st.builds(And, several) | st.builds(Or, several)


audiences: st.SearchStrategy[Audience] = st.recursive(terms, _joined, max_leaves=6)

_looks = st.dictionaries(
    st.sampled_from(["viewed", "searched", "listed", "carted"]), _instants, max_size=2
)

# Every field of Facts, known.
known = {
    "country": st.sampled_from(["IT", "DE", "XX"]),
    "locale": st.sampled_from(LOCALES),
    "platforms": st.frozensets(st.sampled_from(["android", "ios", "web"])),
    "lifecycle": st.sampled_from(Lifecycle),
    "segments": st.frozensets(_subjects, max_size=2),
    "value_class": _subjects,
    "loyalty_tier": _subjects,
    "visits": st.integers(0, 5),
    "days_since_visit": st.integers(0, 5),
    "age": st.integers(0, 5),
    "interests": st.dictionaries(_subjects, st.sampled_from([0.0, 0.3, 1.0])),
    "purchases": st.dictionaries(
        _subjects, st.builds(Bought, _instants, st.integers(1, 4), st.integers(0, 4))
    ),
    "browsing": st.dictionaries(_subjects, _looks),
}
facts = st.builds(Facts, **{name: st.none() | values for name, values in known.items()})


def truth(audience: Audience, facts: Facts, now: datetime) -> bool | None:
    """Kleene's logic, word for word: None is unknown."""
    match audience:
        case Not(of):
            inner = truth(of, facts, now)
            return None if inner is None else not inner
        case And(of):
            answers = [truth(part, facts, now) for part in of]
            return False if False in answers else None if None in answers else True
        case Or(of):
            answers = [truth(part, facts, now) for part in of]
            return True if True in answers else None if None in answers else False
        case _:
            return _truth_of_term(audience, facts, now)


def _truth_of_term(term: Term, facts: Facts, now: datetime) -> bool | None:
    match term:
        case IsOneOf(WordField.LOCALE, words):
            locale = facts.locale
            return (
                None
                if locale is None
                else any(locale == word or locale.startswith(f"{word}-") for word in words)
            )
        case IsOneOf(WordField.PLATFORM, words):
            return None if facts.platforms is None else bool(facts.platforms & words)
        case IsOneOf(WordField.SEGMENT, words):
            return None if facts.segments is None else bool(facts.segments & words)
        case IsOneOf(field, words):
            word = getattr(facts, field.value)
            return None if word is None else word in words
        case Compared(field, sign, number):
            return _compares(getattr(facts, field.value), sign, number)
        case Measured(MeasureField.INTEREST, subject, sign, number):
            interests = facts.interests
            return None if interests is None else _compares(interests.get(subject, 0), sign, number)
        case Measured(field, subject, sign, number):
            if facts.purchases is None:
                return None
            bought = facts.purchases.get(subject, Bought(now, 0, 0))
            theirs = bought.count if field is MeasureField.TIMES_BOUGHT else bought.cents
            return _compares(theirs, sign, number)
        case Did(DeedField.BOUGHT, subject, within):
            if facts.purchases is None:
                return None
            instants = [facts.purchases[subject].last_at] if subject in facts.purchases else []
        case Did(field, subject, within):
            if facts.browsing is None:
                return None
            looks = facts.browsing.get(subject, {})
            instants = [
                at for kind, at in looks.items() if field is DeedField.BROWSED or kind == field
            ]
    return any(within is None or at >= now - within for at in instants)


def _compares(theirs: float | None, sign: Sign, number: float) -> bool | None:
    if theirs is None:
        return None
    order = (theirs > number) - (theirs < number)
    return {
        "<": order < 0,
        "<=": order <= 0,
        "=": order == 0,
        "!=": order != 0,
        ">=": order >= 0,
        ">": order > 0,
    }[sign.value]
