"""What a check of a download found, in sentences: the same for the command line and for the page. Pure."""

from dataclasses import dataclass, field

from ledger.verdicts import NOT_PROVED, Verdict

FAILED = "FAILED"


class CheckStopped(Exception):
    """Nothing can be checked: str(error) says why."""


@dataclass
class OriginVerdict(Verdict):
    """What a check found. differing: the first row that is not what the devices signed, in words; unproven: the first
    row for which there is no evidence; unwitnessed: the first one under a key whose entry is not final.
    """

    is_bad: bool = False
    row_count: int = 0
    proven_count: int = 0
    differing_count: int = 0
    unproven_count: int = 0
    unwitnessed_count: int = 0
    differing: str = ""
    unproven: str = ""
    unwitnessed: str = ""
    missing_count: int = 0
    missing: str = ""
    is_derived: bool = False
    lacking_reasons: list[str] = field(default_factory=list)

    def say_untrusted(self) -> None:
        self.say(
            NOT_PROVED,
            "Whose log this is. The log's keys come from the evidence itself, so it only agrees with itself. Name a "
            "policy that you trust with --policy.",
        )
        self.lacking_reasons.append("a policy that you trust, which shows whose log it is")

    def conclude(self) -> None:
        self.is_final = not self.is_bad and not self.lacking_reasons
        self.lacking = "; ".join(self.lacking_reasons)


def count_of(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
