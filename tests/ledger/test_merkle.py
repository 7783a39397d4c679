from functools import partial

import pytest

from ledger.errors import ProofInvalid
from ledger.merkle import (
    EMPTY_ROOT,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_hash,
    verify_consistency,
    verify_inclusion,
)
from tests.builders_ledger import naive_path, naive_root, naive_subproof

MOST = 70
LEAVES = [leaf_hash(number.to_bytes(2, "big")) for number in range(MOST)]
ROOTS = [naive_root(LEAVES[:size]) for size in range(MOST + 1)]
PUBLISHED_LEAVES = [
    bytes.fromhex(text)
    for text in [
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    ]
]  # fmt: skip
PUBLISHED_ROOTS = {
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    4: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    6: "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def flipped(value: bytes) -> bytes:
    return bytes([value[0] ^ 1]) + value[1:]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (b"", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        (b"L123456", "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"),
    ],
)
def test_leaf_hash_gives_the_published_values(entry, expected):
    assert leaf_hash(entry).hex() == expected


def test_node_hash_gives_the_published_value():
    expected = "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"
    assert node_hash(b"N123", b"N456").hex() == expected


@pytest.mark.parametrize(("size", "expected"), PUBLISHED_ROOTS.items())
def test_root_hash_gives_the_published_values(size, expected):
    assert root_hash(map(leaf_hash, PUBLISHED_LEAVES[:size])).hex() == expected


def test_root_of_the_empty_log_is_the_hash_of_nothing():
    assert root_hash([]) == EMPTY_ROOT == ROOTS[0]


@pytest.mark.parametrize("size", range(1, MOST + 1))
def test_every_inclusion_proof_is_the_standards_and_verifies(size):
    tree = LEAVES[:size]
    assert root_hash(tree) == ROOTS[size]
    for index in range(size):
        proof = inclusion_proof(tree, index)
        assert proof == naive_path(index, tree)
        verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size])


@pytest.mark.parametrize("size", range(1, MOST + 1))
def test_every_consistency_proof_is_the_standards_and_verifies(size):
    tree = LEAVES[:size]
    for old_size in range(1, size + 1):
        proof = consistency_proof(tree, old_size)
        assert proof == naive_subproof(old_size, tree)
        verify_consistency(old_size, size, proof, ROOTS[old_size], ROOTS[size])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 11, 70])
def test_a_changed_inclusion_proof_is_refused(size):
    for index in range(size):
        proof = inclusion_proof(LEAVES[:size], index)
        check = partial(verify_inclusion, LEAVES[index], index, size, root=ROOTS[size])
        wrong = [proof[:-1], [*proof, LEAVES[0]]] if proof else [[LEAVES[0]]]
        wrong += [[*proof[:place], flipped(proof[place]), *proof[place + 1 :]] for place in range(len(proof))]
        for changed in wrong:
            with pytest.raises(ProofInvalid):
                check(proof=changed)
        with pytest.raises(ProofInvalid):
            verify_inclusion(flipped(LEAVES[index]), index, size, proof, ROOTS[size])
        with pytest.raises(ProofInvalid):
            verify_inclusion(LEAVES[index], index, size, proof, flipped(ROOTS[size]))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 11, 70])
def test_a_changed_consistency_proof_is_refused(size):
    for old_size in range(1, size + 1):
        proof = consistency_proof(LEAVES[:size], old_size)
        check = partial(verify_consistency, old_size, size, old_root=ROOTS[old_size], root=ROOTS[size])
        wrong = [proof[:-1]] if proof else []
        wrong += [[*proof, LEAVES[0]]]
        wrong += [[*proof[:place], flipped(proof[place]), *proof[place + 1 :]] for place in range(len(proof))]
        for changed in wrong:
            with pytest.raises(ProofInvalid):
                check(proof=changed)
        with pytest.raises(ProofInvalid):
            verify_consistency(old_size, size, proof, flipped(ROOTS[old_size]), ROOTS[size])
        with pytest.raises(ProofInvalid):
            verify_consistency(old_size, size, proof, ROOTS[old_size], flipped(ROOTS[size]))


def test_nothing_is_proven_from_the_empty_log():
    assert consistency_proof(LEAVES[:5], 0) == []
    with pytest.raises(ProofInvalid):
        verify_consistency(0, 5, [], EMPTY_ROOT, ROOTS[5])


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_refuses_an_index_outside_the_log(index, size):
    with pytest.raises(IndexError):
        inclusion_proof(LEAVES[:size], index)
    with pytest.raises(ProofInvalid):
        verify_inclusion(LEAVES[0], index, size, [], ROOTS[size])


def test_refuses_consistency_with_a_larger_log():
    with pytest.raises(IndexError):
        consistency_proof(LEAVES[:3], 4)
    with pytest.raises(ProofInvalid):
        verify_consistency(4, 3, [], ROOTS[4], ROOTS[3])
