"""What the ledger refuses. Pure."""

from typing import ClassVar


class LedgerError(Exception):
    """A refusal. str(error) is a sentence for a person; code never changes."""

    code: ClassVar[str] = "ledger_refused"
    sentence: ClassVar[str] = "The ledger refuses this."

    def __init__(self, sentence: str = "", **details: object) -> None:
        super().__init__(sentence or self.sentence)
        self.details = details


class EntryError(LedgerError):
    """A record that cannot become an entry."""

    code = "entry_refused"


class EntryTooLarge(EntryError):
    code = "entry_too_large"
    sentence = "A log entry has at most 8 KiB (8,192 bytes)."


class EntryNotCanonical(EntryError):
    code = "entry_not_canonical"
    sentence = "A log entry holds objects, lists, text, whole numbers below 2^53, true, false and null only."


class EntryRepeated(EntryError):
    code = "entry_repeated"
    sentence = "A record of this kind with this key was submitted before."


class NoteMalformed(LedgerError):
    code = "note_malformed"
    sentence = "This is not a signed note."


class NoteUnverified(LedgerError):
    code = "note_unverified"
    sentence = "No trusted key signed this note, or the signature of a trusted key fails."


class KeyMalformed(LedgerError):
    code = "key_malformed"
    sentence = "This is not a verifier key."


class PolicyMalformed(LedgerError):
    code = "policy_malformed"
    sentence = "This is not a policy file."


class AddressUnusable(LedgerError):
    code = "address_unusable"
    sentence = "The address of a witness is http(s)://host[:port][/path], without a password in it."


class ProofInvalid(LedgerError):
    code = "proof_invalid"
    sentence = "The proof does not lead to the root hash."


class ReceiptMalformed(LedgerError):
    code = "receipt_malformed"
    sentence = "This is not a receipt (.tlog-proof)."


class DisclosureInvalid(LedgerError):
    code = "disclosure_invalid"
    sentence = "The disclosed person or device does not occur in this entry."


class SubjectUnknown(LedgerError):
    code = "subject_unknown"
    sentence = "There is no key of this person or device: it never stood in the log, or it was erased."


class PackInvalid(LedgerError):
    code = "pack_invalid"
    sentence = "This is not an evidence pack."


class TileMissing(LedgerError):
    code = "tile_missing"
    sentence = "A tile of the tree is missing."


class WitnessUnusable(LedgerError):
    code = "witness_unusable"
    sentence = "The witness cannot work with this key or state. Nothing is signed."


class SeedUnusable(LedgerError):
    code = "seed_unusable"
    sentence = "The log's signing key is missing or unusable."


class LogDamaged(LedgerError):
    code = "log_damaged"
    sentence = "The stored tree does not fit what was signed. Nothing more is signed."


class LogRolledBack(LedgerError):
    code = "log_rolled_back"
    sentence = "The log is smaller than what was signed before. Nothing more is signed."


class LogForked(LedgerError):
    code = "log_forked"
    sentence = "The log does not continue what was signed before. Nothing more is signed."


class FreezeUndone(LedgerError):
    code = "freeze_undone"
    sentence = (
        "The log was frozen, and somebody lifted that in the database, past `manage.py lift_freeze`. Nothing more is"
        " signed."
    )


class LogNotFrozen(LedgerError):
    code = "log_not_frozen"
    sentence = "The log is not frozen."


class RotationRefused(LedgerError):
    code = "rotation_refused"
    sentence = "The log's key cannot be replaced now."


class MemoryUnusable(LedgerError):
    code = "memory_unusable"
    sentence = "The signer's memory is missing or unusable. Nothing more is signed."


class AuditAtWork(LedgerError):
    code = "audit_at_work"
    sentence = "An audit is at work already. Wait for what it finds."


class NothingToGoOnFrom(LedgerError):
    code = "nothing_to_go_on_from"
    sentence = "There is no good audit to go on from, or the log no longer holds what it saw. Audit everything."


class EvidenceRefused(LedgerError):
    code = "evidence_refused"
    sentence = "This evidence pack cannot be made."
