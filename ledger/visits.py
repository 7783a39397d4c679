"""What staff opened in the ledger's admin: each row stays for ever."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from ledger.models import AuditVisit

LONGEST = 500


def record_visit(*, visitor: UUID, subject: str, address: str, at: datetime) -> AuditVisit:
    return AuditVisit.objects.create(visitor=visitor, subject=subject[:LONGEST], address=address[:LONGEST], at=at)
