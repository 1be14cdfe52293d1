"""What the page about audiences tells people to write can be written."""

import re
from pathlib import Path

import pytest

from offers import audience_text
from offers.audience_fields import CLOSED, FIELDS, WordField
from offers.audience_text import parse
from offers.audience_tokens import AudienceError

PAGE = (Path(__file__).parents[2] / "docs" / "audiences.md").read_text()
ROWS = re.findall(r"^\| (`.*?) \| .* \|$", PAGE, re.MULTILINE)
EXAMPLES = [
    *re.findall(r"```audience\n(.*?)```", PAGE, re.DOTALL),
    *(example for row in ROWS for example in re.findall(r"`([^`]+)`", row)),
    *re.findall(r"`(not [^`]+|age [^`]+)`", PAGE),
]


@pytest.mark.parametrize("text", EXAMPLES)
def test_an_example_can_be_read(text: str) -> None:
    parse(text)


def test_every_field_has_an_example() -> None:
    shown = {example.split()[0] for row in ROWS for example in re.findall(r"`([^`]+)`", row)}

    assert shown == set(FIELDS)


@pytest.mark.parametrize("field", [WordField.PLATFORM, WordField.LIFECYCLE])
def test_every_word_that_a_field_knows_is_named(field: WordField) -> None:
    assert set(re.findall(r"`(\w+)`", PAGE)) >= CLOSED[field]


def test_the_error_that_is_shown_is_the_one_that_comes() -> None:
    with pytest.raises(AudienceError) as caught:
        parse("lifecycle custommer")

    assert f"```text\n{caught.value}\n```" in PAGE


def test_the_bounds_that_are_named_are_those_that_hold() -> None:
    bounds = (
        f"{audience_text.MAX_CHARS:,} characters, {audience_text.MAX_TERMS} terms and "
        f"{audience_text.MAX_DEPTH} levels"
    )

    assert bounds in PAGE
