"""Which logs and witnesses somebody trusts, and how many of the witnesses are enough (C2SP tlog-policy). Pure."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from ledger.errors import KeyMalformed, NoteUnverified, PolicyMalformed
from ledger.notes import COSIGNATURE, ED25519, Note, TreeHead, VerifierKey, verify_note

LARGEST_POLICY = 200_000
NONE = "none"
_NUMBER = re.compile(r"[1-9][0-9]{0,5}")
_FORBIDDEN = re.compile(r"[^\t\n\x20-\x7e\x80-\U0010ffff]")
_FORMS = {
    "log": "log <vkey> [<url>]",
    "witness": "witness <name> <vkey> [<url>]",
    "group": "group <name> all|any|<number> <name>...",
    "quorum": "quorum <name>|none",
}


@dataclass(frozen=True, slots=True)
class PolicyLog:
    key: VerifierKey
    url: str = ""


@dataclass(frozen=True, slots=True)
class PolicyWitness:
    """name: what this policy calls it; the name under which it signs is key.name."""

    name: str
    key: VerifierKey
    url: str = ""


@dataclass(frozen=True, slots=True)
class PolicyGroup:
    """Has seen a checkpoint when at least `needed` of its members (witnesses or earlier groups) have."""

    name: str
    needed: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CheckedCheckpoint:
    """is_final: the witnesses that cosigned it are a quorum. Without that it is signed by its log, and no more."""

    head: TreeHead
    log_keys: tuple[VerifierKey, ...]
    witness_keys: tuple[VerifierKey, ...]
    is_final: bool


@dataclass(frozen=True, slots=True)
class LogPolicy:
    """groups: in the order of their definition, so that members come before what they are in.

    quorum: the name of a witness or a group, or "none".
    """

    logs: tuple[PolicyLog, ...]
    witnesses: tuple[PolicyWitness, ...] = ()
    groups: tuple[PolicyGroup, ...] = ()
    quorum: str = NONE

    @classmethod
    def parse(cls, text: str | bytes) -> "LogPolicy":
        """Raises PolicyMalformed, with the number of the line."""
        if isinstance(text, bytes):
            # Comments may hold any bytes; a name or key that is not UTF-8 is refused as a key name.
            text = text.decode(errors="surrogateescape")
        if len(text) > LARGEST_POLICY:
            raise PolicyMalformed(f"A policy has at most {LARGEST_POLICY:,} characters.")
        reader = _Reader()
        for number, line in enumerate(text.split("\n"), 1):
            try:
                reader.read(line)
            except (PolicyMalformed, KeyMalformed) as error:
                raise PolicyMalformed(f"Line {number} of the policy: {error}", line=number) from error
        return reader.policy()

    @property
    def has_witnesses(self) -> bool:
        return bool(self.witnesses)

    def text(self) -> str:
        lines = [_line("log", log.key, log.url) for log in self.logs]
        lines += [_line("witness", witness.name, witness.key, witness.url) for witness in self.witnesses]
        lines += [_line("group", group.name, group.needed, *group.members) for group in self.groups]
        return "".join([*lines, _line("quorum", self.quorum)])

    def is_quorum(self, keys: Collection[VerifierKey]) -> bool:
        """Whether the cosignatures of these keys make a checkpoint final. With `quorum none` nothing does."""
        reached = {witness.name for witness in self.witnesses if witness.key in keys}
        for group in self.groups:
            if sum(member in reached for member in group.members) >= group.needed:
                reached.add(group.name)
        return self.quorum in reached

    def check(self, note: Note) -> CheckedCheckpoint:
        """Say what a checkpoint is worth under this policy. Signatures of unknown keys are passed over.

        Raises NoteMalformed, or NoteUnverified when no log of this policy signed it, when the signature of a known
        key fails, or when the checkpoint names another log than the one that signed.
        """
        witness_keys = {witness.key for witness in self.witnesses}
        signed_by = verify_note(note, [*(log.key for log in self.logs), *witness_keys])
        head = TreeHead.parse(note.text)
        log_keys = tuple(key for key in signed_by if key not in witness_keys)
        if not log_keys:
            raise NoteUnverified("No log of the policy signed this checkpoint.")
        if any(key.name != head.origin for key in log_keys):
            raise NoteUnverified("The checkpoint names another log than the one that signed it.")
        cosigned_by = tuple(key for key in signed_by if key in witness_keys)
        return CheckedCheckpoint(head, log_keys, cosigned_by, self.is_quorum(cosigned_by))


@dataclass
class _Reader:
    """Reads a policy line by line: every name must be defined above the line that uses it."""

    logs: list[PolicyLog] = field(default_factory=list)
    witnesses: list[PolicyWitness] = field(default_factory=list)
    groups: list[PolicyGroup] = field(default_factory=list)
    quorum: str | None = None
    defined: set[str] = field(default_factory=set)
    members: set[str] = field(default_factory=set)

    def policy(self) -> LogPolicy:
        if self.quorum is None:
            raise PolicyMalformed('The policy has no quorum line. Write "quorum none" when no witness is asked for.')
        return LogPolicy(tuple(self.logs), tuple(self.witnesses), tuple(self.groups), self.quorum)

    def read(self, line: str) -> None:
        if _FORBIDDEN.search(line):
            raise PolicyMalformed("Tab and LF are the only control characters that a policy may hold.")
        # Only these two: the standard says that no other character separates, and names may hold any other.
        words = [word for word in re.split("[ \t]+", line) if word]
        if not words or words[0].startswith("#"):
            return
        match words:
            case ["log", key, *rest] if len(rest) <= 1:
                self.logs.append(PolicyLog(self.new_key(key, ED25519, [log.key for log in self.logs]), "".join(rest)))
            case ["witness", name, key, *rest] if len(rest) <= 1:
                known = [witness.key for witness in self.witnesses]
                witness = PolicyWitness(name, self.new_key(key, COSIGNATURE, known), "".join(rest))
                self.define(name)
                self.witnesses.append(witness)
            case ["group", name, needed, first, *rest]:
                self.add_group(name, needed, (first, *rest))
            case ["quorum", name]:
                self.set_quorum(name)
            case [keyword, *_] if keyword in _FORMS:
                raise PolicyMalformed(f"A line of this kind reads: {_FORMS[keyword]}")
            case [keyword, *_]:
                raise PolicyMalformed(f'A line starts with log, witness, group, quorum or #, not with "{keyword}".')

    def new_key(self, text: str, type_byte: int, known: list[VerifierKey]) -> VerifierKey:
        key = VerifierKey.parse(text)
        if key.type_byte != type_byte:
            wanted = "a log's key has type 1" if type_byte == ED25519 else "a witness's key has type 4"
            raise PolicyMalformed(f"The key {key.name} has type {key.type_byte}; {wanted} here (Ed25519).")
        if any(key.public_key == other.public_key for other in known):
            raise PolicyMalformed(f"The key of {key.name} stands in this policy already.")
        return key

    def define(self, name: str) -> None:
        if name == NONE or name in self.defined:
            raise PolicyMalformed(f'The name "{name}" is taken.')
        self.defined.add(name)

    def add_group(self, name: str, needed: str, members: tuple[str, ...]) -> None:
        for member in members:
            if member not in self.defined:
                raise PolicyMalformed(f'"{member}" is not defined above.')
            if member in self.members:
                # Otherwise one witness could count twice.
                raise PolicyMalformed(f'"{member}" is a member of a group already.')
            self.members.add(member)
        self.define(name)
        self.groups.append(PolicyGroup(name, _needed(needed, len(members)), members))

    def set_quorum(self, name: str) -> None:
        if self.quorum is not None:
            raise PolicyMalformed("There is a quorum line above.")
        if name != NONE and name not in self.defined:
            raise PolicyMalformed(f'"{name}" is not defined above.')
        self.quorum = name


def _needed(text: str, count: int) -> int:
    if text in {"any", "all"}:
        return 1 if text == "any" else count
    if not _NUMBER.fullmatch(text) or int(text) > count:
        raise PolicyMalformed(f'A group of {count} needs all, any, or a number from 1 to {count}, not "{text}".')
    return int(text)


def _line(*words: object) -> str:
    return " ".join(str(word) for word in words if word != "") + "\n"
