"""A device changes hands while others buy, read, send, withdraw and leave, on real connections at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from time import monotonic, sleep
from typing import Any

import pytest
from django.db import connection, transaction

from devices.errors import DeviceRetired
from devices.models import Batch, Device, DeviceKey
from devices.readings import read_readings
from devices.services import lock_devices, resolve_batches
from ledger.models import OutboxRow
from ledger.services import sequence_batch
from marketplace.access.errors import ConsentWithdrawn
from marketplace.access.services import authorise, issue_token
from marketplace.accounts.models import User
from marketplace.consents.models import Consent
from marketplace.consents.standing import rely_on_standing
from marketplace.erasure.services import erase_account
from marketplace.handovers.errors import DeviceNotInUse, OfferOver, OfferUnknown
from marketplace.handovers.services import retire_device_with_refunds, withdraw_offer
from marketplace.listings.models import Listing
from marketplace.purchases.books import find_differences
from marketplace.purchases.errors import ListingNotForSale
from marketplace.purchases.models import Purchase, Refund
from marketplace.purchases.services import buy_listing, withdraw_consent_with_refunds
from marketplace.wallet.services import account_of, balance_micros, unsound_accounts
from tests.builders import EURO, make_consent
from tests.builders_delivery import SigningDevice
from tests.builders_money import at_once, fill_wallet
from tests.conftest import make_person
from tests.handovers.conftest import offered, take_over

pytestmark = pytest.mark.django_db(transaction=True)

SECOND = timedelta(seconds=1)


def together(acts: Sequence[Callable[[], Any]]) -> list[Any]:
    """As at_once, for acts that give different things."""
    return at_once(acts)


def buy(listing: Listing, buyer: User, at: datetime) -> Purchase:
    plan = listing.plans.get(kind="one_off")
    return buy_listing(listing=listing, plan=plan, buyer=buyer, quoted_micros=plan.price_micros, at=at)


def handed_over_count() -> int:
    return OutboxRow.objects.filter(kind="device.handed_over").count()


def test_taken_over_eight_times_at_once_it_changes_hands_once(station, ben, now):
    code = offered(station.device, ben, now)
    answers = together([partial(take_over, ben, code, now)] * 8)
    assert {answer.pk for answer in answers} == {Device.objects.get(owner=ben).pk}
    assert (handed_over_count(), DeviceKey.objects.filter(retired_at=None).count()) == (1, 1)


def test_buyers_are_before_it_with_a_refund_or_refused(station, listing, sara, ben, now):
    buyers = [make_person(f"buyer-{number}") for number in range(8)]
    for buyer in buyers:
        fill_wallet(buyer, 5, now)
    code = offered(station.device, ben, now)
    acts = [partial(buy, listing, buyer, now) for buyer in buyers]
    answers = together([*acts[:4], partial(take_over, ben, code, now), *acts[4:]])
    assert isinstance(answers.pop(4), Device)
    assert {type(answer) for answer in answers} <= {Purchase, ListingNotForSale}
    assert Refund.objects.count() == Purchase.objects.count()
    assert {balance_micros(account_of(buyer)) for buyer in buyers} == {5 * EURO}
    assert balance_micros(account_of(sara, "escrow")) == 0
    assert (unsound_accounts(), find_differences()) == ([], [])


def test_readers_are_refused_from_its_commit_on(station, listing, ben, rich_mallory, now):
    purchase = buy(listing, rich_mallory, now)
    sequence_batch(at=now)
    secrets = [issue_token(purchase=purchase, at=now)[1] for _ in range(6)]
    code = offered(station.device, ben, now)

    def read(secret: str) -> bool:
        """Read until refused; never again after a refusal."""
        for _ in range(10_000):
            try:
                authorise(token=secret, at=now)
            except ConsentWithdrawn:
                assert Device.objects.filter(owner=ben).exists()
                return True
        return False

    answers = together([*(partial(read, secret) for secret in secrets), partial(take_over, ben, code, now)])
    assert answers[:-1] == [True] * 6
    assert isinstance(answers[-1], Device)


def test_withdrawing_at_the_same_time_refunds_once(station, listing, ben, rich_mallory, now):
    buy(listing, rich_mallory, now)
    code = offered(station.device, ben, now)
    withdraw = partial(withdraw_consent_with_refunds, consent=listing.consent, at=now)
    answers = together([withdraw, partial(take_over, ben, code, now), withdraw])
    assert [type(answer) for answer in answers] == [Consent, Device, Consent]
    assert (Refund.objects.get().amount_micros, balance_micros(account_of(rich_mallory))) == (5 * EURO, 50 * EURO)
    assert OutboxRow.objects.filter(kind="consent.withdrawn").count() == 1


@pytest.mark.parametrize("other", ["withdraw", "retire"])
def test_the_offer_is_accepted_or_over(station, ben, now, other):
    code = offered(station.device, ben, now)
    acts: dict[str, Callable[[], object]] = {
        "withdraw": partial(withdraw_offer, device=station.device, at=now),
        "retire": partial(retire_device_with_refunds, device=station.device, at=now),
    }
    taken, _ = together([partial(take_over, ben, code, now), acts[other]])
    assert isinstance(taken, (Device, OfferOver, DeviceNotInUse))
    is_taken = isinstance(taken, Device)
    assert (Device.objects.count(), handed_over_count()) == ((2, 1) if is_taken else (1, 0))


def test_a_consent_granted_at_the_same_time_opens_nothing_of_after(station, sara, ben, now):
    code = offered(station.device, ben, now)
    grant = partial(make_consent, sara, now, devices=[station.device])
    granted, taken, _ = together([grant, partial(take_over, ben, code, now), grant])
    assert isinstance(granted, Consent)
    assert isinstance(taken, Device)
    # Before it: ended with it. After it: over the readings of before alone, which are sara's.
    for consent in Consent.objects.filter(withdrawn_at=None):
        assert [device.pk for device in consent.devices.all()] == [station.device.pk]
    assert not taken.consents.exists()


@pytest.mark.parametrize("leaver", ["sara", "ben"])
def test_who_leaves_at_the_same_time_takes_the_own_part_only(request, station, ben, now, leaver):
    code = offered(station.device, ben, now)
    person = request.getfixturevalue(leaver)
    taken, erased = together([partial(take_over, ben, code, now), partial(erase_account, user=person, at=now)])
    assert isinstance(erased, User)
    owners = set(Device.objects.values_list("owner__email", flat=True))
    assert person.email not in owners
    if isinstance(taken, Device):
        assert Device.objects.count() == 1


def test_what_is_sent_meanwhile_is_lost_to_nobody(station: SigningDevice, ben: User, now: datetime):
    """Four senders of one device; each batch has readings of before and of after."""
    code = offered(station.device, ben, now)
    first = station.sequence

    def send(number: int) -> None:
        for place in range(number * 10, number * 10 + 10):
            sender = SigningDevice(station.device, station.key, first + place)
            sender.send([(at, "air_temperature", 1.0) for at in moments(place)], now)

    def moments(place: int) -> list[datetime]:
        return [now + (place - 20 + later) * SECOND for later in (0, 60)]

    acts: list[Callable[[], object]] = [partial(send, number) for number in range(4)]
    answers = together([*acts[:2], partial(take_over, ben, code, now), *acts[2:]])
    assert not [answer for answer in answers if isinstance(answer, Exception)]
    taken = Device.objects.get(owner=ben)
    before = Device.objects.get(pk=station.device.pk)
    together([partial(resolve_batches, device=device, at=now) for device in (before, taken, taken, before)])
    resolve_batches(device=before, at=now)
    resolve_batches(device=taken, at=now)
    sent = {at for place in range(40) for at in moments(place)}
    early = set(read_readings(before)["time"]) - set(read_readings(before, until=now - timedelta(hours=1))["time"])
    late = set(read_readings(taken)["time"])
    assert early == {at for at in sent if at < now}
    assert late == {at for at in sent if at >= now}
    assert not Batch.objects.waiting().exists()


def test_a_send_is_never_refused_because_the_device_changes_hands(station, ben, now):
    codes = offered(station.device, ben, now)
    sender = SigningDevice(station.device, station.key, station.sequence)

    def send_many() -> int:
        for number in range(60):
            sender.send([(now + number * SECOND, "air_temperature", 1.0)], now)
        return 60

    sent, taken = together([send_many, partial(take_over, ben, codes, now)])
    assert sent == 60
    assert isinstance(taken, Device)
    with pytest.raises((OfferOver, OfferUnknown)):
        take_over(station.device.owner, codes, now)
    retire_device_with_refunds(device=taken, at=now)
    with pytest.raises(DeviceRetired):
        sender.send([(now, "air_temperature", 1.0)], now)


@pytest.mark.parametrize("act", ["hand over", "retire"])
def test_who_erases_an_account_never_waits_in_a_circle(station, listing, sara, ben, rich_mallory, now, act):
    """An erasure locks the standing of what was bought, then devices: nobody may hold a device and want that."""
    code = offered(station.device, ben, now)
    acts: dict[str, Callable[[], object]] = {
        "hand over": partial(take_over, ben, code, now),
        "retire": partial(retire_device_with_refunds, device=station.device, at=now),
    }
    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            rely_on_standing(listing.consent_id)
            waiting = threads.submit(at_once, [acts[act]])
            wait_for_waiters(1)
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = '2s'")
            assert lock_devices(owner=sara) == [station.device]
        assert isinstance(waiting.result(20)[0], Device)
    assert Consent.objects.get().withdrawn_at == now


def wait_for_waiters(count: int) -> None:
    """Until so many connections of this database wait for a lock. Raises TimeoutError after ten seconds."""
    ends_at = monotonic() + 10
    while monotonic() < ends_at:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[0] >= count:
                return
        sleep(0.02)
    raise TimeoutError
