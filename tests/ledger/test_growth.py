from datetime import timedelta

import pytest

from ledger.services import sequence_batch, sizes_at
from tests.builders_ledger import submit_many

pytestmark = pytest.mark.django_db


def test_an_empty_log_had_no_size(now):
    assert sizes_at([now, now - timedelta(days=1)]) == [0, 0]
    assert sizes_at([]) == []


def test_the_size_is_that_of_the_newest_checkpoint_by_then(now):
    for minutes, count in [(0, 3), (0, 1), (10, 5)]:
        submit_many(count, now)
        sequence_batch(at=now + timedelta(minutes=minutes))
    minute = timedelta(minutes=1)
    moments = [now - minute, now, now + 9 * minute, now + 10 * minute, now + timedelta(days=9)]
    assert sizes_at(moments) == [0, 4, 4, 9, 9]
    assert sizes_at(moments[::-1]) == [9, 9, 4, 4, 0]
