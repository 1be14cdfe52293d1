"""YAML read as text with places: what is kept, where it stands, what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corsia.yaml_lines import MAX_BYTES, Place, YamlSyntaxError, load_document, path_text


def value_of(text: str) -> object:
    return load_document("f.yaml", text.encode()).value


def refusal(data: str | bytes) -> str:
    with pytest.raises(YamlSyntaxError) as caught:
        load_document("f.yaml", data.encode() if isinstance(data, str) else data)
    return str(caught.value)


@pytest.mark.parametrize(
    "text", ["NO", "on", "007", "1e3", "09:00", "12:30:45", "0x1F", "2026-05-01", "true", ".inf"]
)
def test_a_scalar_stays_the_text_that_was_written(text: str) -> None:
    assert value_of(f"k: {text}") == {"k": text}


@pytest.mark.parametrize("text", ["", "~", "null", "NULL"])
def test_nothing_is_none_unless_quoted(text: str) -> None:
    assert value_of(f"k: {text}") == {"k": None}
    assert value_of(f"k: '{text}'") == {"k": text}


def test_every_value_knows_its_line_and_column() -> None:
    document = load_document("f.yaml", b"a:\n  - b: 1\n    c:\n      [2,\n       3]\n")
    assert document.places == {
        (): Place(1, 1),
        ("a",): Place(1, 1),
        ("a", 0): Place(2, 5),
        ("a", 0, "b"): Place(2, 5),
        ("a", 0, "c"): Place(3, 5),
        ("a", 0, "c", 0): Place(4, 8),
        ("a", 0, "c", 1): Place(5, 8),
    }


def test_what_is_missing_stands_where_it_should_have_been() -> None:
    document = load_document("f.yaml", b"a:\n  - b: 1\n")
    assert document.place(("a", 0, "missing", 3)) == Place(2, 5)


def test_duplicate_keys_are_found_all_at_once_and_the_first_counts() -> None:
    document = load_document("f.yaml", b"a: 1\na: 2\nb:\n  c: 1\n  c: 2\n  c: 3\n")
    assert document.value == {"a": "1", "b": {"c": "1"}}
    assert [str(fault) for fault in document.faults] == [
        "f.yaml:2: a: written twice, first on line 1",
        "f.yaml:5: b.c: written twice, first on line 4",
        "f.yaml:6: b.c: written twice, first on line 4",
    ]


def test_a_key_that_is_no_word_is_a_fault() -> None:
    document = load_document("f.yaml", b"? [1, 2]\n: x\n")
    assert [str(fault) for fault in document.faults] == ["f.yaml:1: a key must be a word"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1, 2\nb: 3\n", "f.yaml:2: not YAML: while parsing a flow sequence"),
        ("a: 1\n b: 2\n", "f.yaml:2: mapping values are not allowed here"),
        ("a: 1\n\tb: 2\n", "f.yaml:2: not YAML: while scanning for the next token"),
        ('a: "x\n', "f.yaml:2: not YAML: while scanning a quoted scalar"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2: not YAML: expected a single document"),
        ("a: &x 1\nb: *x\n", "f.yaml:2: an alias (*name) is not accepted"),
        ("a: 1\nb: !!python/name:os.system x\n", "f.yaml:2: a tag (!name) is not accepted"),
        ("a: !!float 1\n", "f.yaml:1: a tag (!name) is not accepted"),
        ("a: 1\nb: \x07\n", "f.yaml:2: the character U+0007 is not allowed"),
        ("[" * 5_000, "f.yaml:1: more than 20 levels deep"),
    ],
)
def test_a_refusal_names_the_line(text: str, said: str) -> None:
    assert refusal(text).startswith(said)


def test_bytes_that_are_no_utf_8_are_refused_with_their_line() -> None:
    assert refusal(b"a: 1\nb: 2\nc: \xff\n") == "f.yaml:3: not UTF-8 text"


def test_a_file_too_large_is_refused_before_it_is_parsed() -> None:
    assert refusal(b"#" * (MAX_BYTES + 1)) == "f.yaml: larger than 16 MiB"


def test_a_byte_order_mark_is_no_part_of_the_first_key() -> None:
    assert load_document("f.yaml", b"\xef\xbb\xbfa: 1").value == {"a": "1"}


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n"])
def test_an_empty_document_is_none(text: str) -> None:
    assert value_of(text) is None


def test_a_path_reads_as_people_write_it() -> None:
    assert path_text(("stores", 0, "zones", 12, "name")) == "stores[0].zones[12].name"


def is_read_or_refused(data: bytes) -> bool:
    try:
        document = load_document("f.yaml", data)
    except YamlSyntaxError as error:
        return str(error).startswith("f.yaml")
    return document.value is None or () in document.places


@given(st.binary(max_size=200))
def test_any_bytes_are_a_document_or_a_refusal(data: bytes) -> None:
    assert is_read_or_refused(data)


@given(st.text(alphabet="ab:-[]{}&*!|>'\"%@`,?# \n\t0~", max_size=60))
def test_any_marks_are_a_document_or_a_refusal(text: str) -> None:
    assert is_read_or_refused(text.encode())
