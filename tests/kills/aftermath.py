"""What must be true once everything was killed, started again and repeated."""

from collections import Counter

from django.utils import timezone

from ledger.models import OutboxRow
from ledger.reconciliation import reconcile
from ledger.services import sequence_batch, verify_log
from marketplace.notices.models import Notice
from marketplace.purchases.books import find_differences
from marketplace.wallet.services import unsound_accounts


def assert_all_is_right() -> None:
    """Books, accounts and log agree, and nobody was told anything twice."""
    assert (find_differences(), unsound_accounts()) == ([], [])
    while sequence_batch(at=timezone.now()):
        pass
    assert (OutboxRow.objects.count(), verify_log().is_good) == (0, True)
    # The short way to a device, in the tests' builders, enrols without an entry.
    found = [one for one in reconcile().differences if not one.kind.startswith("device.")]
    assert [one for one in found if one.row_count or one.entry_count] == []
    said = Counter((one.user_id, one.kind, one.reference, str(one.facts)) for one in Notice.objects.all())
    assert [words for words, count in said.items() if count > 1] == []
