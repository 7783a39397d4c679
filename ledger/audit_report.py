"""What an audit found. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

MOST_FINDINGS = 100


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it must be.

    subject: entry, tile, checkpoint, final checkpoint, cosignature, receipt or head.
    """

    subject: str
    place: str
    sentence: str


@dataclass
class AuditReport:
    """What was checked, and the first things that were found wrong, in log order within each subject."""

    size: int
    root_hash: bytes
    entry_count: int = 0
    tile_count: int = 0
    checkpoint_count: int = 0
    cosignature_count: int = 0
    receipt_count: int = 0
    finding_count: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        return self.finding_count == 0

    @property
    def first_findings(self) -> list[Finding]:
        """The first of each subject."""
        return first_of_each(self.findings)

    def add(self, subject: str, place: str, sentence: str) -> None:
        self.finding_count += 1
        is_first = all(finding.subject != subject for finding in self.findings)
        if is_first or len(self.findings) < MOST_FINDINGS:
            self.findings.append(Finding(subject, place, sentence))

    def findings_as_json(self) -> list[dict[str, Any]]:
        return [asdict(finding) for finding in self.findings]


def first_of_each(findings: Iterable[Finding]) -> list[Finding]:
    first: dict[str, Finding] = {}
    for finding in findings:
        first.setdefault(finding.subject, finding)
    return list(first.values())
