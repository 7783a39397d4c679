"""A part of a file's rows is proven by the hashes beside it, for every part of every small size."""

from math import nextafter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.derivation import Statement, hashes_beside, root_of_part, row_leaf
from devices.evidence import EvidenceMalformed
from ledger.merkle import leaf_hash, root_hash


@pytest.mark.parametrize("size", range(12))
def test_every_part_leads_to_the_root(size):
    leaves = [leaf_hash(bytes([number])) for number in range(size)]
    for low in range(size + 1):
        for high in range(low, size + 1):
            beside = hashes_beside(leaves, low, high)
            assert root_of_part(size, low, leaves[low:high], beside) == root_hash(leaves)
            for wrong in (beside[1:], [*beside, b"x"]):
                if wrong != beside:
                    with pytest.raises(EvidenceMalformed):
                        root_of_part(size, low, leaves[low:high], wrong)
            if high > low:
                changed = [*leaves[low : high - 1], leaf_hash(b"other")]
                assert root_of_part(size, low, changed, beside) != root_hash(leaves)


def test_a_part_that_does_not_fit_is_refused():
    with pytest.raises(EvidenceMalformed):
        root_of_part(3, 2, [b"x" * 32] * 2, [])


def test_a_row_is_hashed_to_the_last_bit():
    one = row_leaf(1, "device-1", [0.1, None])
    others = [
        row_leaf(1, "device-1", [0.1, 0.0]), row_leaf(1, "device-1", [None, 0.1]), row_leaf(2, "device-1", [0.1, None]),
        row_leaf(1, "device-2", [0.1, None]), row_leaf(1, "device-1", [0.1]),
        row_leaf(1, "device-1", [nextafter(0.1, 1), None]),
    ]  # fmt: skip
    assert one not in others
    assert row_leaf(1, "d", [0.0]) != row_leaf(1, "d", [-0.0])


NAMES = "listing program resolution columns first_day end_day input_root sha256 row_root"
TEXTS = dict.fromkeys(NAMES.split(), "x")
STATEMENT = Statement(**TEXTS, input_count=3, row_count=4)


def test_a_statement_reads_as_it_was_written():
    assert Statement.parse(STATEMENT.text()) == STATEMENT


@given(text=st.text(max_size=200) | st.sampled_from(["[", "{}", "null", STATEMENT.text().replace("4", "-4")]))
def test_any_other_text_is_refused(text):
    with pytest.raises(EvidenceMalformed):
        Statement.parse(text)
