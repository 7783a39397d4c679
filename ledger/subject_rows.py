"""Rows that an entry names by a handle alone, such as devices, held against their entries in both directions.

No row names the entry, so that nothing joins a device to the log but the key of its handle. An erasure deletes both,
and the entry stays; it is told from an entry whose row was taken away by hand in that no key gives its handles.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from uuid import UUID

import orjson
from django.db import connection

from ledger.disclosures import Disclosure
from ledger.models import CommitmentSecret, Entry

ROW, ENTRY, WAITING = range(3)
# One statement, one snapshot: a record is never between two tables.
_EVERYTHING = """
    SELECT {row}, named.{column}, secret.secret, NULL::bigint, NULL::text[] FROM {table} AS named
    LEFT JOIN ledger_commitmentsecret AS secret ON subject_kind = %(subject)s AND subject_id = named.{column}
    WHERE named.{since} IS NOT NULL
    UNION ALL SELECT {entry}, NULL, NULL, index, refs FROM ledger_entry WHERE kind = %(kind)s
    UNION ALL SELECT {waiting}, NULL, body, NULL, NULL FROM ledger_outboxrow WHERE kind = %(kind)s
"""


@dataclass(frozen=True, slots=True)
class SubjectSource:
    """See ledger.reconciliation.register_subjects."""

    kind: str
    table: str
    column: str
    since: str
    subject: str
    person: str


@dataclass(slots=True)
class SubjectDifference:
    """rows: public ids. entries: indices. leavers: the handles of the people whose rows went with their account."""

    rows: list[str] = field(default_factory=list)
    entries: list[int] = field(default_factory=list)
    erased_count: int = 0
    leavers: set[str] = field(default_factory=set)


def compare_subjects(source: SubjectSource) -> SubjectDifference:
    found = SubjectDifference()
    handles: dict[str, UUID] = {}
    named: dict[str, int] = {}
    waiting, odd = set[str](), list[int]()
    for what, row_id, content, index, refs in _read(source):
        if what == WAITING:
            waiting.add(_subject_of(bytes(content or b"")))
        elif what == ROW and content is None:
            found.rows.append(str(row_id))
        elif what == ROW and content is not None:
            handles[Disclosure(source.subject, row_id, bytes(content)).handle] = row_id
        elif len(refs) == 1 and refs[0] not in named:
            named[refs[0]] = index
        else:
            odd.append(index)
    missing = [row_id for handle, row_id in handles.items() if handle not in named and handle not in waiting]
    found.rows = sorted([*found.rows, *map(str, missing)])
    orphans = [index for handle, index in named.items() if handle not in handles]
    _tell_erased(source, orphans, found)
    found.entries = sorted([*found.entries, *odd])
    return found


def _tell_erased(source: SubjectSource, orphans: list[int], found: SubjectDifference) -> None:
    known = cache(_handles_of)
    for index, body in Entry.objects.filter(pk__in=orphans).values_list("index", "body").iterator():
        person = _leaver(source, bytes(body), known)
        if person:
            found.erased_count += 1
            found.leavers.add(person)
        else:
            found.entries.append(index)


def _leaver(source: SubjectSource, body: bytes, known: Callable[[str], frozenset[str]]) -> str:
    """Return the handle of the person with whose account the row went, empty when it did not."""
    try:
        person = orjson.loads(body)[source.person]
    except (ValueError, KeyError, TypeError):
        return ""
    subject = _subject_of(body)
    is_gone = isinstance(person, str) and person not in known("person") and subject not in known(source.subject)
    return person if is_gone else ""


def _subject_of(body: bytes) -> str:
    try:
        return str(orjson.loads(body)["refs"][0])
    except (ValueError, KeyError, TypeError, IndexError):
        return ""


def _handles_of(kind: str) -> frozenset[str]:
    """Return every handle of this kind that somebody can still check."""
    rows = CommitmentSecret.objects.filter(subject_kind=kind).values_list("subject_id", "secret")
    return frozenset(Disclosure(kind, row_id, bytes(secret)).handle for row_id, secret in rows.iterator())


def _read(source: SubjectSource) -> list[tuple[int, UUID, bytes | None, int, list[str]]]:
    names = {name: connection.ops.quote_name(getattr(source, name)) for name in ("table", "column", "since")}
    sql = _EVERYTHING.format(**names, row=ROW, entry=ENTRY, waiting=WAITING)
    with connection.cursor() as cursor:
        cursor.execute(sql, {"subject": source.subject, "kind": source.kind})
        return cursor.fetchall()
