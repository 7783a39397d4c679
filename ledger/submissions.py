"""What a log sends to a witness (C2SP tlog-witness, add-checkpoint). Pure."""

import base64
import re
from dataclasses import dataclass

from ledger.errors import NoteMalformed
from ledger.notes import Note, TreeHead, decode_base64, parse_note

MOST_HASHES = 63
_OLD_LINE = re.compile(r"old (0|[1-9][0-9]{0,18})")
_HASH_LINE = re.compile(r"[A-Za-z0-9+/]{43}=")


@dataclass(frozen=True, slots=True)
class Submission:
    """old_size: the last size that the witness cosigned, as the log believes; proof: from there to the checkpoint."""

    old_size: int
    proof: tuple[bytes, ...]
    checkpoint: str

    def text(self) -> str:
        hashes = [base64.b64encode(digest).decode() for digest in self.proof]
        return "\n".join([f"old {self.old_size}", *hashes]) + "\n\n" + self.checkpoint

    @classmethod
    def parse(cls, body: bytes) -> "Submission":
        """Read the form; nothing is verified yet, and the checkpoint is still to be read. Raises NoteMalformed."""
        try:
            first, separator, checkpoint = body.decode().partition("\n\n")
        except UnicodeDecodeError as error:
            raise NoteMalformed("A request is UTF-8.") from error
        old_line, *hash_lines = first.split("\n")
        match = _OLD_LINE.fullmatch(old_line)
        if not separator or match is None:
            raise NoteMalformed('A request is a line "old <size>", the proof, an empty line, and a signed checkpoint.')
        if len(hash_lines) > MOST_HASHES or not all(map(_HASH_LINE.fullmatch, hash_lines)):
            raise NoteMalformed(f"A proof is at most {MOST_HASHES} lines with one hash of 32 bytes in base64 each.")
        return cls(int(match[1]), tuple(decode_base64(line, NoteMalformed) for line in hash_lines), checkpoint)

    def read_checkpoint(self) -> tuple[Note, TreeHead]:
        """Raises NoteMalformed."""
        note = parse_note(self.checkpoint)
        return note, TreeHead.parse(note.text)
