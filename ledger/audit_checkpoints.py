"""Whether what was signed, and cosigned, is the root that the entries give."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson

from ledger.cosignatures import cosigned_at
from ledger.errors import KeyMalformed, LedgerError, PolicyMalformed
from ledger.models import Checkpoint, Cosignature, WitnessKey
from ledger.notes import COSIGNATURE, TreeHead, VerifierKey, parse_note, verify_note
from ledger.policy import LogPolicy
from ledger.signing import log_verifier_keys
from ledger.trust import log_policy


class SignatureCheck:
    """The keys are read once an audit: every key that ever signed this log, and every witness that it ever asked."""

    def __init__(self) -> None:
        self.log_keys = log_verifier_keys()
        self.policy = _policy()
        self.witness_keys = tuple({witness.key for witness in self.policy.witnesses} | set(_remembered_keys()))
        self._witnesses = {(key.name, key.key_id) for key in self.witness_keys}
        # The keys that came by rotation, each with the entry that says so; the last one must sign what covers it.
        self.expected: list[tuple[int, VerifierKey]] = []

    def expect_key(self, index: int, body: bytes) -> None:
        try:
            self.expected.append((index, VerifierKey.parse(orjson.loads(body)["new"])))
        except (KeyMalformed, ValueError, KeyError, TypeError, AttributeError):
            return

    def fault_of_checkpoint(self, checkpoint: Checkpoint, root: bytes) -> str:
        """Return what is wrong with a stored checkpoint, empty when nothing is. root: recomputed."""
        if bytes(checkpoint.root_hash) != root:
            return "Its root is not the root of the entries that it covers."
        if fault := self._fault_of_note(checkpoint.note, self.log_keys, checkpoint.size, root):
            return fault
        keys = [key for index, key in self.expected if index < checkpoint.size]
        if keys and keys[-1] not in verify_note(parse_note(checkpoint.note), self.log_keys):
            return "The key that was the log's by then did not sign it."
        return ""

    def fault_of_final(self, note: str, size: int, root: bytes) -> str:
        """The log's signature and every known witness's line must hold, and they must be a quorum.

        A final checkpoint with lines of keys that the policy does not name was final under an earlier policy: then
        this one cannot be asked for the quorum.
        """
        if fault := self._fault_of_note(note, (*self.log_keys, *self.witness_keys), size, root):
            return fault
        try:
            checked = self.policy.check(parse_note(note))
        except LedgerError as error:
            return str(error)
        signatures = len(parse_note(note).signatures)
        if not checked.is_final and signatures == len(checked.log_keys) + len(checked.witness_keys):
            return "Its cosignatures are no quorum."
        return ""

    def fault_of_cosignature(self, cosignature: Cosignature, root: bytes) -> str:
        """The line must be a witness's over the checkpoint of this size and root, and the columns must repeat it."""
        text = TreeHead(self.log_keys[0].name, cosignature.size, root).text()
        try:
            note = parse_note(f"{text}\n{cosignature.line}")
            line = note.signatures[0]
            if note.text != text or note.signatures != (line,):
                return "It is not one signature line."
            if (line.name, line.key_id) not in self._witnesses:
                return "Its key is of no witness that this log ever asked."
            verify_note(note, self.witness_keys)
            said_at = datetime.fromtimestamp(cosigned_at(line), UTC)
            if (bytes(cosignature.key_id), cosignature.cosigned_at) != (line.key_id, said_at):
                return "Its columns do not repeat what its line says."
        except (LedgerError, OverflowError, ValueError) as error:
            return str(error)
        return ""

    def _fault_of_note(self, text: str, keys: tuple[VerifierKey, ...], size: int, root: bytes) -> str:
        try:
            note = parse_note(text)
            signed = TreeHead.parse(note.text)
            verify_note(note, self.log_keys)
            verify_note(note, keys)
        except LedgerError as error:
            return str(error)
        if signed != TreeHead(self.log_keys[0].name, size, root):
            return "What was signed is not this size and root."
        known = {(key.name, key.key_id) for key in keys}
        if any((line.name, line.key_id) not in known for line in note.signatures):
            return "One of its lines is of no key that was ever this log's or a witness's."
        return ""


def _policy() -> LogPolicy:
    try:
        return log_policy()
    except PolicyMalformed:
        # The system check says so; what was made final under an earlier one is still checked by its keys.
        return LogPolicy(())


def _remembered_keys() -> list[VerifierKey]:
    keys = []
    for text in WitnessKey.objects.values_list("key", flat=True):
        try:
            key = VerifierKey.parse(text)
        except KeyMalformed:
            continue
        if key.type_byte == COSIGNATURE:
            keys.append(key)
    return keys
