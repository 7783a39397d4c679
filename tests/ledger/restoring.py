"""What the owner of the database can do to the log: put an older state back, with the triggers off."""

from ledger.models import Checkpoint
from tests.builders_ledger import tamper


def restore(size: int) -> None:
    """Make the log what it was when it was signed at this size. What waits stays, as after a restore of one table."""
    older = Checkpoint.objects.get(size=size)
    tamper("DELETE FROM ledger_entry WHERE index >= %s", size)
    tamper("DELETE FROM ledger_checkpoint WHERE size > %s", size)
    tamper("DELETE FROM ledger_tile WHERE number * 256 + width > (%s::bigint >> (8 * level))", size)
    tamper(
        "UPDATE ledger_loghead SET size = %s, note = %s, root_hash = decode(%s, 'hex')",
        size,
        older.note,
        bytes(older.root_hash).hex(),
    )
