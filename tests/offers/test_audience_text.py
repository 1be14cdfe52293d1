"""How an audience is written, and what is said about one that cannot be read."""

from datetime import timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from offers import audience_text
from offers.audience import And, Audience, Compared, Did, IsOneOf, Measured, Not, Or, Sign
from offers.audience_fields import FIELDS, DeedField, MeasureField, NumberField, WordField
from offers.audience_text import parse
from offers.audience_tokens import AudienceError
from offers.audience_words import text_of
from tests.offers import audiences

STAFF = IsOneOf(WordField.SEGMENT, frozenset({"staff"}))
ITALY = IsOneOf(WordField.COUNTRY, frozenset({"IT"}))
THREE_VISITS = Compared(NumberField.VISITS, Sign.AT_LEAST, 3)


@pytest.mark.parametrize(
    ("text", "audience"),
    [
        ("segment staff", STAFF),
        ("segment 'staff'", STAFF),
        ('segment in ("staff")', STAFF),
        ("visits>=3", THREE_VISITS),
        ("visits >= 003", THREE_VISITS),
        ("not segment staff and country IT", And((Not(STAFF), ITALY))),
        ("not (segment staff and country IT)", Not(And((STAFF, ITALY)))),
        ("not not segment staff", Not(Not(STAFF))),
        ("((segment staff) or country IT)", Or((STAFF, ITALY))),
        ("country IT and (country IT and segment staff)", And((ITALY, And((ITALY, STAFF))))),
        (
            "(segment staff or country IT) and visits >= 3",
            And((Or((STAFF, ITALY)), THREE_VISITS)),
        ),
        (
            "lifecycle in (lapsing,\n\tcustomer)",
            IsOneOf(WordField.LIFECYCLE, frozenset({"customer", "lapsing"})),
        ),
        (
            "interest coffee != 0.25",
            Measured(MeasureField.INTEREST, "coffee", Sign.OTHER, 0.25),
        ),
        ("bought 7up within 4w", Did(DeedField.BOUGHT, "7up", timedelta(weeks=4))),
        ('viewed "it\\"s \\\\"', Did(DeedField.VIEWED, 'it"s \\')),
        ("carted 'it\\'s'", Did(DeedField.CARTED, "it's")),
        ("listed visits within 90m", Did(DeedField.LISTED, "visits", timedelta(minutes=90))),
    ],
)
def test_an_audience_reads_as_it_is_written(text: str, audience: Audience) -> None:
    assert parse(text) == audience


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("segment   staff", 'segment "staff"'),
        ("lifecycle in ('lapsing' , customer)", "lifecycle in (customer, lapsing)"),
        ("country in (IT)", "country IT"),
        ("interest 'a \"b\" \\\\' >= 0.50", 'interest "a \\"b\\" \\\\" >= 0.5'),
        ("interest coffee<1.0", 'interest "coffee" < 1'),
        ("interest coffee > 0.00001", 'interest "coffee" > 0.00001'),
        ("bought coffee within 4w", 'bought "coffee" within 28d'),
        ("bought coffee within 120m", 'bought "coffee" within 2h'),
        ("bought coffee within 90m", 'bought "coffee" within 90m'),
        ("((not (visits = 1)))", "not visits = 1"),
        ("locale in (zh-Hant-TW, it)", "locale in (it, zh-Hant-TW)"),
    ],
)
def test_the_canonical_text_has_one_way_to_say_it(text: str, canonical: str) -> None:
    assert text_of(parse(text)) == canonical


@given(audiences.audiences)
def test_the_canonical_text_reads_back(audience: Audience) -> None:
    assume(depth(audience) <= audience_text.MAX_DEPTH)

    assert parse(text_of(audience)) == audience


def depth(audience: Audience) -> int:
    match audience:
        case Not(of):
            return 1 + depth(of)
        case And(of) | Or(of):
            return 1 + max(depth(part) for part in of)
        case _:
            return 0


@pytest.mark.parametrize(
    ("text", "column", "token", "message"),
    [
        ("", 1, "", "empty: for everyone, leave the audience out"),
        (" \n ", 1, "", "empty: for everyone, leave the audience out"),
        ("lifecicle customer", 1, "lifecicle", "did you mean lifecycle?"),
        ("Visits > 3", 1, "Visits", "did you mean visits?"),
        ("nto segment staff", 1, "nto", "did you mean not?"),
        ("weather sunny", 1, "weather", "there are country, locale, platform, lifecycle,"),
        ('"visits" > 3', 1, '"visits"', "expected a field, `not` or `(`, not the text"),
        ("visits > 3 and", 15, "", "expected a field, `not` or `(`, not the end"),
        ("lifecycle custommer", 11, "custommer", "did you mean customer?"),
        ("lifecycle in (customer, gone)", 25, "gone", "it is customer, inactive, lapsing,"),
        ("country it", 9, "it", "did you mean IT?"),
        ("platform amiga", 10, "amiga", "it is android, ios or web"),
        ("locale italian", 8, "italian", "it or it-IT"),
        ("lifecycle = customer", 11, "=", "write `lifecycle x`, `lifecycle in (x, y)`"),
        ("lifecycle not in (customer)", 11, "not", "or `not lifecycle x`"),
        ("lifecycle in customer", 14, "customer", "expected `(` after `in`"),
        ("lifecycle in ()", 15, ")", "expected a word after `lifecycle`, not the mark )"),
        ("lifecycle in (customer lapsing)", 24, "lapsing", "expected `,` or `)`"),
        ("segment", 8, "", "expected a word after `segment`, not the end"),
        ("segment 2024", 9, "2024", 'put it in quotes: "2024"'),
        ("segment and", 9, "and", 'put it in quotes: "and"'),
        ('segment ""', 9, '""', "a word has 1 to 64 characters"),
        (f"segment {'x' * 65}", 9, "x" * 65, "a word has 1 to 64 characters"),
        (f"segment {'x' * 131}", 9, "x" * 131, "too long for a word or a number"),
        ('segment " a"', 9, '" a"', "a blank at an end"),
        ('segment "a\u200b"', 9, '"a\u200b"', "a character that cannot be seen"),
        ('segment "staff', 9, '"', "these quotes are not closed"),
        ("segment \u201cstaff\u201d", 9, "\u201c", 'write straight quotes: "'),
        ('visits >= "three"', 11, '"three"', "a whole number such as 3, not with the text"),
        ("visits >= 3.5", 11, "3.5", "compared with a whole number"),
        ("visits >= -1", 11, "-", "a number has no sign"),
        ("days_since_visit > 30d", 20, "30d", "not with the duration 30d"),
        ("visits 3", 8, "3", "expected <, <=, =, !=, >= or > after `visits`"),
        ("visits => 3", 8, "=>", "not the sign =>"),
        ("visits \u2265 3", 8, "\u2265", "write <=, >= or !="),
        ("interest coffee >= 30", 20, "30", "a number from 0 to 1"),
        ("interest coffee within 3d", 17, "within", "expected <, <=, =, !=, >= or > after"),
        ("bought coffee 30d", 15, "30d", "write `within` before a duration"),
        ("bought coffee within 30 d", 22, "30", "a duration such as 30m, 2h, 7d or 4w"),
        ("bought coffee within 0d", 22, "0d", "`bought` looks back from 1m to 365d"),
        ("bought coffee within 366d", 22, "366d", "`bought` looks back from 1m to 365d"),
        ("viewed coffee within 169h", 22, "169h", "`viewed` looks back from 1m to 7d"),
        (f"bought coffee within {'9' * 99}w", 22, f"{'9' * 99}w", "from 1m to 365d"),
        ("bought coffee within 30days", 22, "30days", "after `within`, not the word 30days"),
        ("bought coffee withing 3d", 15, "withing", "did you mean `within`?"),
        ("visits > 3 AND age > 3", 12, "AND", "or the end, not the word AND; did you mean `and`?"),
        ("visits > 3 age > 3", 12, "age", "expected `and`, `or` or the end"),
        ("(visits > 3 \n ", 12, "", "expected `and`, `or` or `)`, not the end"),
        ("visits > 3)", 11, ")", "expected `and`, `or` or the end, not the mark )"),
        ("visits > 3 & age > 3", 12, "&", "write `and` or `or`"),
        ("visits > 3; age > 3", 11, ";", "';' has no meaning here"),
        ("age > 1 or age > 2 and age > 3", 20, "and", "put parentheses around what belongs"),
    ],
)
def test_an_error_points_at_the_token_and_says_what_was_expected(
    text: str, column: int, token: str, message: str
) -> None:
    with pytest.raises(AudienceError) as caught:
        parse(text)

    error = caught.value
    assert (error.line, error.column, error.token) == (1, column, token)
    assert message in error.message


def test_the_caret_is_under_the_token_of_its_line() -> None:
    with pytest.raises(AudienceError) as caught:
        parse("country IT and\n\tlifecycle custommer\nand visits > 3")

    assert str(caught.value).splitlines() == [
        "line 2, column 12: no lifecycle is called custommer: did you mean customer?",
        "   lifecycle custommer",
        "             ^^^^^^^^^",
    ]


def test_at_the_end_of_the_text_a_caret_stands_behind_it() -> None:
    with pytest.raises(AudienceError) as caught:
        parse("visits >")

    assert str(caught.value).splitlines()[1:] == ["  visits >", "          ^"]


def test_of_a_long_line_only_the_place_is_shown() -> None:
    text = f"{'country IT and ' * 20}wether sunny{' and country IT' * 20}"

    with pytest.raises(AudienceError) as caught:
        parse(text)

    _, line, carets = str(caught.value).splitlines()
    assert len(line) < 80
    assert line[carets.index("^") : carets.rindex("^") + 1] == "wether"


def test_an_error_moves_no_cursor_of_a_terminal() -> None:
    with pytest.raises(AudienceError) as caught:
        parse('visits > "\x1b[2J\x07"')

    assert "\x1b" not in str(caught.value)
    assert "\x07" not in str(caught.value)


@pytest.mark.parametrize(
    ("allowed", "refused", "message"),
    [
        ("(" * 8 + "age > 1" + ")" * 8, "(" * 9 + "age > 1" + ")" * 9, "nested more than 8"),
        ("not " * 8 + "age > 1", "not " * 2_000, "longer than 2000 characters"),
        ("not " * 8 + "age > 1", "not " * 400, "nested more than 8"),
        (" and ".join(["age > 1"] * 50), " and ".join(["age > 1"] * 51), "more than 50 terms"),
        (
            # Written out, 2,000 characters and one more.
            f"segment in ({','.join([f'{n:060}x' for n in range(30)])},{'y' * 35})",
            f"segment in ({','.join([f'{n:060}x' for n in range(30)])},{'y' * 36})",
            "with its quotes and blanks it is longer than 2000 characters",
        ),
    ],
)
def test_an_audience_has_bounds(allowed: str, refused: str, message: str) -> None:
    assert parse(text_of(parse(allowed))) == parse(allowed)
    with pytest.raises(AudienceError) as caught:
        parse(refused)
    assert message in caught.value.message


_pieces = st.sampled_from(
    [
        *FIELDS,
        "and",
        "or",
        "not",
        "in",
        "within",
        "(",
        ")",
        ",",
        ">=",
        "=",
        "3",
        "0.3",
        "30d",
        '"x"',
    ]
)


@given(st.text() | st.lists(_pieces, max_size=12).map(" ".join))
def test_any_text_is_an_audience_or_an_error_that_points_into_it(text: str) -> None:
    try:
        audience = parse(text)
    except AudienceError as error:
        fault = error
    else:
        assert parse(text_of(audience)) == audience
        return
    assert text.split("\n")[fault.line - 1][fault.column - 1 :].startswith(fault.token)
