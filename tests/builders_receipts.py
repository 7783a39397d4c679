"""A small log that exists in memory only, with its witnesses, receipts and packs."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from ledger.cosignatures import CosignatureSigner
from ledger.entries import entry_bytes
from ledger.merkle import inclusion_proof, leaf_hash, root_hash
from ledger.notes import NoteSigner, TreeHead, parse_note
from ledger.packs import PackContent, write_pack
from ledger.policy import LogPolicy
from ledger.receipts import Receipt
from ledger.tiles import TileId, grow

AT = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)
COSIGNED_AT = 1_773_480_420
LOG = NoteSigner("market.example/log", bytes(range(32)))
WITNESSES = [CosignatureSigner(f"maker{n}.example/witness", bytes([n]) * 32) for n in (1, 2, 3)]
POLICY = LogPolicy.parse(
    "".join(
        [
            f"log {LOG.verifier_key}\n",
            *(f"witness maker{n} {witness.verifier_key}\n" for n, witness in enumerate(WITNESSES, 1)),
            "group makers 2 maker1 maker2 maker3\nquorum makers\n",
        ]
    )
)
LOG_ONLY = LogPolicy.parse(f"log {LOG.verifier_key}\nquorum none\n")
HANDLE_KEY = bytes(range(32))
OWNER = UUID("0190b3a0-0000-7000-8000-000000000001")


def entry(number: int, **body: object) -> bytes:
    entry_id = UUID(int=(0x7 << 76) | (1 << 63) | number)
    fields = {"number": number, **body}
    return entry_bytes(kind="device.enrolled", entry_id=entry_id, at=AT, refs=[str(entry_id)], body=fields)


@dataclass
class SmallLog:
    bodies: Sequence[bytes]
    tiles: dict[TileId, bytes] = field(default_factory=dict)

    @classmethod
    def of_size(cls, size: int) -> "SmallLog":
        return cls([entry(number) for number in range(size)])

    def __post_init__(self) -> None:
        self.leaves = [leaf_hash(body) for body in self.bodies]
        self.tiles = dict(grow(0, {}, self.leaves).tiles)

    @property
    def size(self) -> int:
        return len(self.bodies)

    def checkpoint(self, *, size: int | None = None, witnesses: int = 2) -> str:
        size = self.size if size is None else size
        text = TreeHead(LOG.verifier_key.name, size, root_hash(self.leaves[:size])).text()
        return LOG.sign(text) + "".join(witness.cosign(text, COSIGNED_AT) for witness in WITNESSES[:witnesses])

    def receipt(self, index: int, *, witnesses: int = 2) -> Receipt:
        proof = tuple(inclusion_proof(self.leaves, index))
        return Receipt(index, proof, self.checkpoint(witnesses=witnesses), self.bodies[index])

    def audit(self) -> dict[str, object]:
        root = root_hash(self.leaves)
        return {"size": self.size, "root_hash": root.hex(), "is_good": True, "findings": []}

    def pack(self, indices: Iterable[int] | None = None, *, sizes: Iterable[int] = (), witnesses: int = 2) -> bytes:
        chosen = range(self.size) if indices is None else indices
        content = PackContent(
            checkpoint=self.checkpoint(witnesses=witnesses),
            policy=POLICY.text(),
            entries=[(index, self.bodies[index]) for index in chosen],
            audit=self.audit(),
            checkpoints={size: self.checkpoint(size=size, witnesses=0) for size in sizes},
        )
        target = io.BytesIO()
        write_pack(target, content, self.tiles.__getitem__)
        return target.getvalue()


def write_policy(folder: Path) -> Path:
    """Name the witnesses of here to the log under test: for settings.LEDGER_POLICY_FILE."""
    path = folder / "witness-policy"
    lines = POLICY.text().splitlines(keepends=True)
    # The log must know where to ask; nobody answers there.
    named = [line.rstrip("\n") + " http://127.0.0.1:9\n" if line.startswith("witness ") else line for line in lines]
    path.write_text("".join(line for line in named if not line.startswith("log ")))
    return path


def cosigned(note: str, witnesses: Iterable[int] = (0, 1)) -> str:
    text = parse_note(note).text
    return note + "".join(WITNESSES[number].cosign(text, COSIGNED_AT) for number in witnesses)
