from copy import copy
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from marketplace.access.services import Grant, authorise, issue_token
from marketplace.accounts.models import User
from marketplace.delivery.errors import NameUnknown, RequestRefused, TimestampUnknown, VersionGone, VersionUnknown
from marketplace.delivery.models import Segment, SegmentCut
from marketplace.delivery.services import files_for, refresh_table, sweep_files
from marketplace.delivery.tables.files import read_rows
from marketplace.delivery.tables.recording import record_segments
from marketplace.delivery.tables.refresh import PARTS_REST
from marketplace.delivery.versions import check_changes, check_version, version_at, version_since
from marketplace.delivery.windows import Part, cut_segment, find_file
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Listing
from tests.builders_delivery import FREE, buy, buy_token, day_start, make_stocked_listing, minutes
from tests.builders_money import at_once, fill_wallet

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
PERIOD = PlanTerms("period", 1_000_000, 1 * 86_400)


def times(grant: Grant, version: int) -> list[datetime]:
    return [time for file in files_for(grant, version=version) for time in read_rows(file.path)["time"]]


def test_a_one_off_purchase_ends_at_its_own_moment(sara: User, ben: User, now: datetime) -> None:
    sent = minutes(now - 30 * MINUTE, 30)
    sender, listing = make_stocked_listing(sara, now, readings=sent)
    _, text = buy_token(listing, ben, now)
    sender.send(minutes(now, 15), now + 20 * MINUTE)
    version = refresh_table(listing=listing, at=now + 20 * MINUTE).version

    grant = authorise(token=text, at=now + 20 * MINUTE)

    assert version == 2
    assert times(grant, version) == [time for time, _, _ in sent]
    assert times(grant, 1) == [time for time, _, _ in sent]
    assert SegmentCut.objects.count() == 0
    whole = refresh_table(listing=listing, at=now + 20 * MINUTE + PARTS_REST).version
    assert times(grant, whole) == [time for time, _, _ in sent]
    assert (whole, SegmentCut.objects.count()) == (3, 1)


def test_a_period_starts_at_the_purchase_and_ends_with_it(sara: User, ben: User, now: datetime) -> None:
    fill_wallet(ben, 5, now)
    sender, listing = make_stocked_listing(sara, now, readings=minutes(now - 30 * MINUTE, 30), plans=[PERIOD])
    _, text = buy_token(listing, ben, now)
    assert times(authorise(token=text, at=now), 1) == []
    day = timedelta(days=1)
    later = now + 2 * day
    sender.send(minutes(now, 10) + minutes(now + day - 5 * MINUTE, 10) + minutes(later - MINUTE, 1), later)
    version = refresh_table(listing=listing, at=later).version

    grant = authorise(token=text, at=later)

    expected = [now + number * MINUTE for number in range(10)]
    expected += [now + day + number * MINUTE for number in range(-5, 0)]
    assert times(grant, version) == expected


def test_a_day_inside_the_window_is_served_as_it_is(sara: User, ben: User, now: datetime) -> None:
    _, listing = make_stocked_listing(sara, now)
    _, text = buy_token(listing, ben, now)
    file = files_for(authorise(token=text, at=now), version=1)[0]
    assert file.public_id == Segment.objects.get().public_id
    assert not SegmentCut.objects.exists()


@pytest.fixture
def cut_listing(sara: User, now: datetime) -> Listing:
    """An hour of readings around now, 30 minutes on each side."""
    later = now + 60 * MINUTE
    sender, listing = make_stocked_listing(sara, now, readings=minutes(now - 30 * MINUTE, 30))
    sender.send(minutes(now, 30), later)
    refresh_table(listing=listing, at=later)
    return listing


def test_a_cut_is_exact_and_made_once(cut_listing: Listing, now: datetime) -> None:
    segment = Segment.objects.get()
    cut = cut_segment(segment, Part(now - 5 * MINUTE, now + 3 * MINUTE))
    assert read_rows(cut.path)["time"].to_list() == [now + number * MINUTE for number in range(-5, 3)]
    assert (cut.row_count, cut.first_at, cut.last_at) == (8, now - 5 * MINUTE, now + 2 * MINUTE)
    assert cut_segment(segment, Part(now - 5 * MINUTE, now + 3 * MINUTE)) == cut
    assert cut_segment(segment, Part(None, now + 3 * MINUTE)) != cut
    assert SegmentCut.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_readers_at_once_share_one_cut(cut_listing: Listing, now: datetime) -> None:
    segment = Segment.objects.get()
    cuts = at_once([lambda: cut_segment(segment, Part(None, now)) for _ in range(4)])
    assert {getattr(cut, "pk", cut) for cut in cuts} == {SegmentCut.objects.get().pk}
    assert read_rows(SegmentCut.objects.get().path).height == 30


def test_a_file_outside_the_window_is_not_found(cut_listing: Listing, ben: User, now: datetime) -> None:
    """The whole day holds more than this purchase opened, and so does another purchase's cut."""
    purchase = buy(cut_listing, ben, now)
    _, text = issue_token(purchase=purchase, at=now)
    grant = authorise(token=text, at=now)
    other = cut_segment(Segment.objects.get(), Part(None, now + MINUTE))
    for public_id in (Segment.objects.get().public_id, other.public_id):
        with pytest.raises(NameUnknown):
            find_file(grant, public_id)
    own = files_for(grant, version=1)[0]
    assert find_file(grant, own.public_id) == own


def test_a_file_of_another_listing_is_not_found(sara: User, ben: User, now: datetime) -> None:
    _, mine = make_stocked_listing(sara, now)
    _, other = make_stocked_listing(sara, now)
    _, text = buy_token(mine, ben, now)
    refresh_table(listing=other, at=now)
    foreign = Segment.objects.get(table__listing=other)
    with pytest.raises(NameUnknown):
        find_file(authorise(token=text, at=now), foreign.public_id)


def test_versions_are_found_by_number_and_by_time_from_the_purchase_on(sara: User, ben: User, now: datetime) -> None:
    sender, listing = make_stocked_listing(sara, now, plans=[FREE])
    hour = timedelta(hours=1)
    refresh_table(listing=listing, at=now - hour)
    _, text = buy_token(listing, ben, now)
    grant = authorise(token=text, at=now)
    for number in (1, 2, 3):
        sender.send([(day_start(now, 1), "air_temperature", number)], now + number * hour)
        refresh_table(listing=listing, at=now + number * hour)

    assert [version_at(grant, now + step * hour) for step in (0, 0.5, 1, 1.5, 2, 9)] == [1, 1, 2, 2, 3, 4]
    assert [version_since(grant, now + step * hour) for step in (-2, 0.5, 1, 1.5, 3)] == [1, 2, 2, 3, 4]
    late = replace(grant, purchase=copy(grant.purchase))
    late.purchase.purchased_at = now + 1.5 * hour
    assert [version_since(late, now + step * hour) for step in (-2, 0.5, 2, 3)] == [2, 2, 3, 4]
    for wrong in (
        lambda: version_at(grant, now - 2 * hour),
        lambda: version_since(grant, now + 4 * hour),
        lambda: version_at(late, now + 0.5 * hour),
    ):
        with pytest.raises(TimestampUnknown):
            wrong()
    for one, version in ((grant, 0), (grant, 5), (late, 1)):
        with pytest.raises(VersionUnknown):
            check_version(one, version)
        with pytest.raises(VersionUnknown):
            check_changes(one, version, None)
    assert check_changes(late, 2, 90) == (2, 4)
    with pytest.raises(RequestRefused):
        check_changes(late, 3, 2)
    record_segments(listing=listing, at=now)
    sweep_files(at=now + timedelta(days=2))
    with pytest.raises(VersionGone):
        check_version(grant, 3)
    assert check_version(grant, 4) == 4
    assert check_changes(grant, 1, 3) == (1, 3)
    sweep_files(at=now + timedelta(days=20))
    with pytest.raises(VersionGone):
        check_changes(grant, 3, None)
