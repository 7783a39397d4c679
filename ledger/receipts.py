"""The receipt of one entry (C2SP tlog-proof), which anybody can check without us. Pure.

The file ends in .tlog-proof and is UTF-8 with LF only:

    c2sp.org/tlog-proof@v1
    extra <base64>          the entry's exact bytes; left out when the entry is handed over beside the receipt
    index <decimal>         the entry's place in the log, from 0
    <base64 hash>           the inclusion proof, one hash a line, the leaf's neighbour first; none in a log of one
    (an empty line)
    <checkpoint>            to the end of the file, byte for byte: origin, size, root, an empty line, signatures

This form is frozen: what was handed out once is accepted for ever, and of each content there is exactly one spelling.
The signature lines are the log's, then those of the witnesses that made the checkpoint final; later ones are not added.
Nothing in `extra` is believed: the proof shows whether it is the entry.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ledger.cosignatures import COSIGNATURE, cosigned_at
from ledger.errors import ProofInvalid, ReceiptMalformed
from ledger.merkle import ProofStep, inclusion_steps, leaf_hash
from ledger.notes import LARGEST_NOTE, Note, TreeHead, VerifierKey, parse_note
from ledger.policy import CheckedCheckpoint, LogPolicy

HEADER = "c2sp.org/tlog-proof@v1"
SUFFIX = ".tlog-proof"
LARGEST_RECEIPT = LARGEST_NOTE + 200_000
# A tree of 2^63 leaves needs no more.
MOST_HASHES = 63
_HASH_SIZE = 32
_INDEX = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Receipt:
    """extra: the entry's bytes, or empty."""

    index: int
    proof: tuple[bytes, ...]
    checkpoint: str
    extra: bytes = b""

    def text(self) -> str:
        lines = [HEADER]
        if self.extra:
            lines.append(f"extra {_encode(self.extra)}")
        lines += [f"index {self.index}", *map(_encode, self.proof)]
        return "\n".join(lines) + "\n\n" + self.checkpoint

    @classmethod
    def parse(cls, receipt: bytes | str) -> "Receipt":
        """Read the form; nothing is verified yet. Raises ReceiptMalformed."""
        text = _decode(receipt)
        head, separator, checkpoint = text.partition("\n\n")
        lines = head.split("\n")
        if not separator or lines.pop(0) != HEADER:
            raise ReceiptMalformed(f'A receipt begins with the line "{HEADER}" and ends with a checkpoint.')
        extra = b""
        if lines and lines[0].startswith("extra "):
            extra = _bytes_of(lines.pop(0).removeprefix("extra "), "The line extra")
        index = lines.pop(0).removeprefix("index ") if lines and lines[0].startswith("index ") else ""
        if not _INDEX.fullmatch(index):
            raise ReceiptMalformed("A receipt names its place: index and a decimal number without leading zeros.")
        return cls(int(index), tuple(_hashes_of(lines)), checkpoint, extra)


@dataclass(frozen=True, slots=True)
class WitnessTime:
    """When a witness says that it saw the checkpoint: its own clock, in unix seconds."""

    key: VerifierKey
    at_seconds: int


@dataclass(frozen=True, slots=True)
class VerifiedReceipt:
    """What a receipt proved under one policy. steps: from the leaf hash to the root."""

    head: TreeHead
    leaf_hash: bytes
    steps: list[ProofStep]
    log_keys: tuple[VerifierKey, ...]
    witness_keys: tuple[VerifierKey, ...]
    is_final: bool
    witness_times: tuple[WitnessTime, ...] = ()


def verify_receipt(receipt: Receipt, *, entry: bytes, policy: LogPolicy) -> VerifiedReceipt:
    """Check that the log committed to exactly these bytes at the receipt's place.

    Raises NoteMalformed or NoteUnverified for the checkpoint, ProofInvalid for the proof, ReceiptMalformed when the
    receipt carries other bytes than these. A checkpoint without a quorum is no error: is_final says so.
    """
    if receipt.extra and receipt.extra != entry:
        raise ReceiptMalformed("The receipt carries another entry than this one.")
    note = parse_note(receipt.checkpoint)
    checked = policy.check(note)
    leaf = leaf_hash(entry)
    steps = prove_leaf(leaf, receipt, checked)
    return VerifiedReceipt(
        head=checked.head,
        leaf_hash=leaf,
        steps=steps,
        log_keys=checked.log_keys,
        witness_keys=checked.witness_keys,
        is_final=checked.is_final,
        witness_times=tuple(witness_times(note, checked.witness_keys)),
    )


def parse_hashes(text: str) -> list[bytes]:
    """Read a proof that is a file of its own: base64, one hash a line. Raises ReceiptMalformed."""
    lines = text.split("\n")
    if lines.pop():
        raise ReceiptMalformed("The last line of a proof ends in LF.")
    return _hashes_of(lines)


def prove_leaf(leaf: bytes, receipt: Receipt, checked: CheckedCheckpoint) -> list[ProofStep]:
    """Walk from a leaf hash to the root of a checkpoint that was checked before. Raises ProofInvalid."""
    steps = inclusion_steps(leaf, receipt.index, checked.head.size, receipt.proof)
    if (steps[-1].result if steps else leaf) != checked.head.root_hash:
        raise ProofInvalid("The proof does not lead from these bytes to the root that was signed.")
    return steps


def witness_times(note: Note, keys: Iterable[VerifierKey]) -> list[WitnessTime]:
    """Return the newest time that each of these keys put under a note. Verify the note first."""
    times = []
    for key in keys:
        signed = [
            cosigned_at(signature)
            for signature in note.signatures
            if (signature.name, signature.key_id) == (key.name, key.key_id) and key.type_byte == COSIGNATURE
        ]
        times += [WitnessTime(key, max(signed))] if signed else []
    return times


def _decode(receipt: bytes | str) -> str:
    if len(receipt) > LARGEST_RECEIPT:
        raise ReceiptMalformed("The receipt is too long.")
    try:
        # Text is tried, too: half a surrogate pair has no bytes.
        return (receipt if isinstance(receipt, bytes) else receipt.encode()).decode()
    except UnicodeError as error:
        raise ReceiptMalformed("A receipt is UTF-8.") from error


def _hashes_of(lines: Sequence[str]) -> list[bytes]:
    if len(lines) > MOST_HASHES:
        raise ReceiptMalformed(f"A proof has at most {MOST_HASHES} hashes.")
    hashes = [_bytes_of(line, f"Hash {number} of the proof") for number, line in enumerate(lines, 1)]
    if any(len(each) != _HASH_SIZE for each in hashes):
        raise ReceiptMalformed("The hashes of a proof have 32 bytes each.")
    return hashes


def _encode(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _bytes_of(text: str, what: str) -> bytes:
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ReceiptMalformed(f"{what} is not base64.") from error
    # Also refuses an empty line and bits beyond the last byte, which would be a second spelling.
    if not value or _encode(value) != text:
        raise ReceiptMalformed(f"{what} is not base64 in its standard spelling.")
    return value
