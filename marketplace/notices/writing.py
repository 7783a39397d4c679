"""Write notices in the transaction of what they are about. Mail and webhooks follow after its commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
from django.db import connection, transaction

from ledger.entries import time_ordered_id
from marketplace.accounts.models import User
from marketplace.notices.kinds import Facts, NoticeKind, check_facts
from marketplace.notices.nudge import nudge_dispatcher

# Nobody tells an erased account anything.
_INSERT = """
    INSERT INTO notices_notice (public_id, user_id, kind, facts, reference, once, at)
    SELECT draft.public_id, draft.person, draft.kind, draft.facts::jsonb, draft.reference, draft.once, draft.at
    FROM unnest(%s::uuid[], %s::bigint[], %s::text[], %s::text[], %s::uuid[], %s::text[], %s::timestamptz[])
        WITH ORDINALITY AS draft (public_id, person, kind, facts, reference, once, at, line)
    JOIN accounts_user ON accounts_user.id = draft.person AND accounts_user.erased_at IS NULL
    ORDER BY draft.line
    ON CONFLICT (user_id, kind, once) DO NOTHING
"""


@dataclass(frozen=True)
class NoticeDraft:
    """A notice to write. See kinds.py for the facts of each kind.

    reference: public id of what it is about. once: tells the same thing apart from another; the person is told it once.
    """

    user: User
    kind: NoticeKind
    facts: Facts
    at: datetime
    reference: UUID | None = None
    once: str | None = None


def notify(
    *,
    user: User,
    kind: NoticeKind | str,
    facts: Facts,
    at: datetime,
    reference: UUID | None = None,
    once: str | None = None,
) -> None:
    """Tell a person, in the running transaction. Raises ValueError when the facts are not those of the kind."""
    notify_many([NoticeDraft(user, NoticeKind(kind), facts, at, reference, once)])


def notify_many(drafts: Sequence[NoticeDraft]) -> None:
    """Tell many people in one statement. Raises ValueError, and writes nothing, when facts do not fit their kind."""
    if not drafts:
        return
    for draft in drafts:
        check_facts(draft.kind, draft.facts)
    columns: list[list[Any]] = [
        [time_ordered_id(draft.at) for draft in drafts],
        [draft.user.pk for draft in drafts],
        [draft.kind.value for draft in drafts],
        [orjson.dumps(dict(draft.facts)).decode() for draft in drafts],
        [draft.reference for draft in drafts],
        [draft.once for draft in drafts],
        [draft.at for draft in drafts],
    ]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, columns)
    transaction.on_commit(nudge_dispatcher, robust=True)
