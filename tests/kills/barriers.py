"""Places where a process stops in the middle of what it does, until the test lets it go on or kills it.

The product knows nothing of it. After each statement that writes, a trigger of the test's looks whether this is the
place, and then waits for a lock that the test holds. So the process stands inside its transaction, or, at "commit of
a table", inside the commit, which goes through though nobody is there any more to hear of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from django.db import connection

DEADLINE_SECONDS = 30.0
_MAKE = """
    CREATE TABLE kill_place (place text NOT NULL, lock bigint NOT NULL);
    CREATE TABLE kill_trace (id bigserial, place text NOT NULL, transaction xid8 NOT NULL);
    CREATE FUNCTION kill_look() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
    DECLARE
        here text := coalesce(TG_ARGV[0], lower(TG_OP)) || ' ' || TG_TABLE_NAME;
        wanted kill_place%ROWTYPE;
    BEGIN
        SELECT * INTO wanted FROM kill_place;
        IF wanted.place = here THEN
            PERFORM pg_advisory_xact_lock_shared(wanted.lock);
        ELSIF wanted.place = '*' AND TG_NARGS = 0 THEN
            INSERT INTO kill_trace (place, transaction) VALUES (here, pg_current_xact_id());
        END IF;
        RETURN NULL;
    END $$;
    DO $$
    DECLARE name text;
    BEGIN
        FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT LIKE 'kill\\_%' LOOP
            EXECUTE format('CREATE TRIGGER zz_kill AFTER INSERT OR UPDATE OR DELETE ON %I EXECUTE FUNCTION kill_look()',
                name);
            EXECUTE format('CREATE CONSTRAINT TRIGGER zz_kill_commit AFTER INSERT OR UPDATE ON %I DEFERRABLE'
                ' INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION kill_look(''commit'')', name);
        END LOOP;
    END $$;
"""
_STANDING = """
    SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND (classid::bigint << 32 | objid::bigint) = %s
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
# A transfer is written by one statement of the process, which ends with the postings; triggers write with theirs.
_SAME_STATEMENT = {
    "insert wallet_transfer",
    "insert wallet_balancechange",
    "delete wallet_balancechange",
    "update wallet_account",
    "insert invoices_duedocument",
}
# Far from the numbers of the product's own locks, which are hashes or 32 bits.
_FIRST_LOCK = 0x6B69_6C6C_0000_0000


@dataclass(frozen=True)
class Place:
    """transaction: which of those of the traced act it is in, counted from 0."""

    name: str
    transaction: int


@dataclass
class Barriers:
    session: psycopg.Connection[tuple[Any, ...]]
    count: int = 0
    standing: list[int] = field(default_factory=list)

    def trace(self, act: Callable[[], object]) -> list[Place]:
        """Do something that runs alone, and return after which statements it wrote, each once, in order."""
        self.session.execute("TRUNCATE kill_trace")
        self._set("*")
        act()
        self._set("")
        rows = self.session.execute("SELECT place, transaction::text FROM kill_trace ORDER BY id").fetchall()
        order = list(dict.fromkeys(transaction for _, transaction in rows))
        first: dict[str, Place] = {}
        for name, transaction in rows:
            first.setdefault(name, Place(name, order.index(transaction)))
        return [place for place in first.values() if place.name not in _SAME_STATEMENT]

    @contextmanager
    def stop_at(self, place: str) -> Iterator[None]:
        """Whoever comes to the place first stands there when the block has ended; the next ones pass."""
        self.count += 1
        lock = _FIRST_LOCK + self.count
        self.session.execute("SELECT pg_advisory_lock(%s)", [lock])
        self._set(place, lock)
        yield
        found = wait_for(lambda: self.session.execute(_STANDING, [lock]).fetchall(), f"nobody came to {place}", 15)
        self._set("")
        self.standing += [pid for (pid,) in found]

    def open(self) -> None:
        """Let the database go on with what it was told before the killing, and wait until it has."""
        self.session.execute("SELECT pg_advisory_unlock_all()")
        left = "SELECT pid FROM pg_stat_activity WHERE pid = ANY(%s)"
        wait_for(lambda: not self.session.execute(left, [self.standing]).fetchall(), "a dead process's session lives")
        self.standing.clear()

    def _set(self, place: str, lock: int = 0) -> None:
        with self.session.transaction():
            self.session.execute("DELETE FROM kill_place")
            self.session.execute("INSERT INTO kill_place VALUES (%s, %s)", [place, lock])


def wait_for(question: Callable[[], Any], complaint: str, seconds: float = DEADLINE_SECONDS) -> Any:
    """Ask until the answer is yes, and return it."""
    deadline = time.monotonic() + seconds
    while not (answer := question()):
        assert time.monotonic() < deadline, complaint
        time.sleep(0.01)
    return answer


@contextmanager
def barriers() -> Iterator[Barriers]:
    """As the owner of the tables, in the test's database."""
    named = {"HOST": "host", "PORT": "port", "NAME": "dbname", "USER": "user", "PASSWORD": "password"}
    place = {word: connection.settings_dict[part] for part, word in named.items() if connection.settings_dict[part]}
    with psycopg.connect(**place, autocommit=True) as session:
        session.execute(_MAKE)
        try:
            yield Barriers(session)
        finally:
            session.execute("SELECT pg_advisory_unlock_all()")
            session.execute("SET lock_timeout = '20s'")
            session.execute("DROP FUNCTION kill_look CASCADE; DROP TABLE kill_place, kill_trace")
