import uuid
from datetime import UTC, datetime

import pytest
import rfc8785
from hypothesis import example, given
from hypothesis import strategies as st

from ledger.canonical import LARGEST_ENTRY, LARGEST_INTEGER, canonical_bytes, parse_canonical
from ledger.errors import EntryNotCanonical, EntryTooLarge

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = st.text(st.characters(max_codepoint=127), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-LARGEST_INTEGER, LARGEST_INTEGER) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(NAMES, VALUES, max_size=6))
@example({"\x7f": '\x00\x08\x09\x0a\x0c\x0d\x1f\x7f"\\/<>&\u2028\ufeff😀', "A": -0, "a": [], "": {}})
def test_gives_the_bytes_of_the_reference_implementation(value):
    encoded = canonical_bytes(value)
    assert encoded == rfc8785.dumps(value)
    assert parse_canonical(encoded) == value


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        float("nan"),
        2**53,
        -(2**53),
        {"ключ": 1},
        {1: "a"},
        "\ud800",
        b"bytes",
        uuid.uuid4(),
        datetime(2026, 1, 1, tzinfo=UTC),
        {1, 2},
        object(),
    ],
)
def test_refuses_what_has_no_canonical_form(value):
    for body in ({"field": value}, {"list": [{"deep": value}]}):
        with pytest.raises(EntryNotCanonical):
            canonical_bytes(body)


def test_refuses_a_structure_without_end():
    body: dict = {}
    body["again"] = body
    with pytest.raises(EntryNotCanonical):
        canonical_bytes(body)


def test_takes_exactly_8_kib_and_not_one_byte_more():
    room = LARGEST_ENTRY - len(b'{"t":""}')
    assert len(canonical_bytes({"t": "x" * room})) == 8192
    with pytest.raises(EntryTooLarge):
        canonical_bytes({"t": "x" * (room + 1)})


@pytest.mark.parametrize(
    "encoded",
    [
        b'{"b":1,"a":2}',
        b'{"a": 1}',
        b'{"a":1,"a":1}',
        b'{"a":1.0}',
        b'{"a":9007199254740992}',
        b'{"a":"\\u0061"}',
        b'{"a":1}\n',
        b"[1]",
        b"nothing",
        b"",
        b"\xff",
    ],
)
def test_refuses_bytes_that_are_not_the_canonical_ones(encoded):
    with pytest.raises(EntryNotCanonical):
        parse_canonical(encoded)


def test_refuses_to_parse_more_than_8_kib():
    with pytest.raises(EntryTooLarge):
        parse_canonical(b'{"t":"' + b"x" * LARGEST_ENTRY + b'"}')
