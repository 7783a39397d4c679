"""Erasing an account: what goes, what stays, what is in the way."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.db import DatabaseError, connection, transaction
from django.test import Client

from devices.errors import KeyUnknown
from devices.models import Batch, Device, DeviceKey, Measure, ReadingFile
from ledger.models import CommitmentSecret, OutboxRow
from ledger.services import sequence_batch
from marketplace.access import errors as access_errors
from marketplace.access.models import AccessToken
from marketplace.access.services import authorise
from marketplace.accounts.errors import AccountErased
from marketplace.accounts.models import ApiKey, User
from marketplace.consents.models import Consent, ConsentDevice
from marketplace.delivery.models import DeliveryTable, Read, Segment
from marketplace.delivery.services import refresh_table
from marketplace.erasure import errors
from marketplace.erasure.models import Erasure, LeftFile
from marketplace.erasure.services import erase_account, outlook_for
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Listing
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import (
    bill_usage,
    buy_listing,
    count_rows,
    start_clock,
    stop_metered,
    withdraw_consent_with_refunds,
    withdraw_listing_with_refunds,
)
from marketplace.wallet.gateway.services import pay_at_test_provider
from marketplace.wallet.models import Posting, TopUp, Transfer
from marketplace.wallet.services import (
    account_of,
    balance_micros,
    post_transfer,
    settle_top_up,
    start_top_up,
    unsound_accounts,
)
from tests.builders import EURO, make_consent, make_device, make_draft, make_listing
from tests.builders_delivery import FREE, buy, buy_token, make_stocked_listing, minutes
from tests.builders_gateway import say
from tests.builders_money import fill_wallet
from tests.erasure.people import live_here

pytestmark = pytest.mark.django_db


def kinds() -> list[str]:
    return sorted(OutboxRow.objects.values_list("kind", flat=True))


def test_ends_and_deletes_what_is_the_persons(sara: User, ben: User, now: datetime) -> None:
    traces = live_here(sara, ben, now)
    later = now + timedelta(hours=1)
    books = (Purchase.objects.count(), Posting.objects.count(), TopUp.objects.count(), Read.objects.count())
    erased = erase_account(user=sara, at=later)

    assert not any(model.objects.exists() for model in (Batch, ReadingFile, DeviceKey, Segment))
    assert not Measure.objects.filter(device__owner=sara).exists()
    assert not Device.objects.filter(owner=sara).exists()
    assert not ConsentDevice.objects.filter(consent__owner=sara).exists()
    assert not DeliveryTable.objects.filter(listing__seller=sara).exists()
    assert not ApiKey.objects.exists()
    assert not Consent.objects.filter(owner=sara, withdrawn_at=None).exists()
    titles = Listing.objects.filter(seller=sara).order_by("pk").values_list("title", "summary", "withdrawn_at")
    assert list(titles) == [
        ("Roof weather", "Measured on a roof, every minute.", later),
        ("Erased listing", "", later),
    ]
    assert kinds() == [
        "access.revoked",
        "consent.withdrawn",
        "delivery.segments",
        "device.retired",
        "device.retired",
        "erasure.done",
        "listing.withdrawn",
        "listing.withdrawn",
    ]
    assert (Purchase.objects.count(), Posting.objects.count(), TopUp.objects.count(), Read.objects.count()) == books
    assert unsound_accounts() == []
    assert (erased.pk, erased.is_active, erased.pseudonym) == (sara.pk, False, "Erased account")
    assert erased.email.endswith("@erased.invalid")
    assert not erased.has_usable_password()
    with pytest.raises(access_errors.ConsentWithdrawn):
        authorise(token=traces.token_of_ben, at=later)
    with pytest.raises(access_errors.TokenUnknown):
        authorise(token=traces.token_of_sara, at=later)
    with pytest.raises(KeyUnknown):
        traces.sender.send(minutes(later, 1), later)


def test_what_others_have_stays(sara: User, ben: User, mallory: User, now: datetime) -> None:
    live_here(sara, ben, now)
    sender, listing = make_stocked_listing(mallory, now)
    _, text = buy_token(listing, ben, now)
    secrets = CommitmentSecret.objects.filter(
        subject_id__in=[ben.public_id, mallory.public_id, sender.device.public_id]
    )
    before = (ben.public_id, secrets.count(), Segment.objects.filter(table__listing=listing).count())
    erase_account(user=sara, at=now)
    ben.refresh_from_db()
    assert (ben.public_id, secrets.count(), Segment.objects.filter(table__listing=listing).count()) == before
    assert before[1:] == (3, 1)
    assert authorise(token=text, at=now).listing == listing
    # Only ben's consent named her, and others whom it names stay in.
    assert not Consent.objects.filter(named_buyers__isnull=False).exists()


def test_the_sold_listing_is_still_shown_to_its_buyer(sara: User, ben: User, now: datetime, client: Client) -> None:
    live_here(sara, ben, now)
    purchase = Purchase.objects.get(buyer=ben)
    erase_account(user=sara, at=now)
    client.force_login(ben)
    for page in ("", "receipt/"):
        answer = client.get(f"/purchases/{purchase.public_id}/{page}")
        assert answer.status_code == 200
        assert "Roof weather" in answer.text
    assert client.get("/purchases/").status_code == 200


def test_the_buyer_of_a_sale_may_leave_too(sara: User, ben: User, now: datetime, client: Client) -> None:
    listing = make_listing(sara, now, plans=[FREE])
    buy_token(listing, ben, now)
    erase_account(user=ben, at=now)
    client.force_login(sara)
    for address in ("/sales/", "/sales/list/", "/sales/reads/"):
        assert client.get(address).status_code in {200, 404}
    assert Purchase.objects.get().buyer.pseudonym == "Erased account"
    assert AccessToken.objects.get().revoked_at == now


def test_a_repeat_changes_nothing(sara: User, now: datetime) -> None:
    first = erase_account(user=sara, at=now)
    again = erase_account(user=sara, at=now + timedelta(days=1))
    assert (again.email, again.erased_at, again.public_id) == (first.email, first.erased_at, first.public_id)
    assert (kinds(), Erasure.objects.count()) == (["erasure.done"], 1)


def staff(sara: User, now: datetime) -> None:
    User.objects.filter(pk=sara.pk).update(is_staff=True)


def money(sara: User, now: datetime) -> None:
    fill_wallet(sara, 3, now)


def top_up(sara: User, now: datetime) -> None:
    start_top_up(user=sara, amount_micros=EURO, at=now)


def sale_under_way(sara: User, now: datetime) -> None:
    buy(make_listing(sara, now, plans=[FREE]), User.objects.create_user("ben@example.test"), now, is_recorded=False)


def purchase_under_way(sara: User, now: datetime) -> None:
    seller = User.objects.create_user("ben@example.test")
    buy(make_listing(seller, now, plans=[FREE]), sara, now, is_recorded=False)


@pytest.mark.parametrize(
    ("obstacle", "refusal"),
    [
        (staff, errors.StaffAccount),
        (money, errors.MoneyInWallet),
        (top_up, errors.TopUpUnderWay),
        (sale_under_way, errors.PurchaseUnderWay),
        (purchase_under_way, errors.PurchaseUnderWay),
    ],
    ids=lambda value: getattr(value, "code", getattr(value, "__name__", "")),
)
def test_refuses_while_something_is_under_way(
    sara: User, now: datetime, obstacle: Callable[[User, datetime], None], refusal: type[errors.ErasureError]
) -> None:
    sender, _ = make_stocked_listing(sara, now)
    obstacle(sara, now)
    before = snapshot()
    with pytest.raises(refusal) as caught:
        erase_account(user=sara, at=now)
    assert snapshot() == before
    assert [type(found) for found in outlook_for(User.objects.get(pk=sara.pk), at=now).obstacles] == [refusal]
    assert caught.value.code.startswith("erasure_")
    sender.send(minutes(now, 1), now + timedelta(minutes=1))
    assert mail.outbox == []


def snapshot() -> dict[str, str]:
    """Every table's rows, as one hash each."""
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        found = {}
        for table in tables:
            cursor.execute(f"SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM \"{table}\" t")
            found[table] = cursor.fetchone()[0]
    return found


def test_money_comes_with_its_amount(sara: User, now: datetime) -> None:
    fill_wallet(sara, 3, now)
    with pytest.raises(errors.MoneyInWallet) as caught:
        erase_account(user=sara, at=now)
    assert caught.value.details == {"amount_micros": 3 * EURO, "currency": "EUR"}


def test_money_of_sales_is_settled_and_moved_first(sara: User, ben: User, now: datetime) -> None:
    fill_wallet(ben, 12, now)
    listing = make_listing(sara, now, plans=[PlanTerms("period", 12 * EURO, 30 * 86_400)])
    start_clock(purchase=buy(listing, ben, now), at=now)
    with pytest.raises(errors.MoneyOnHold) as held:
        erase_account(user=sara, at=now)
    assert held.value.details == {"amount_micros": 12 * EURO, "currency": "EUR"}
    withdraw_consent_with_refunds(consent=listing.consent, at=now + timedelta(days=10))
    with pytest.raises(errors.EarningsLeft) as earned:
        erase_account(user=sara, at=now)
    assert earned.value.details == {"amount_micros": 3_680_000, "currency": "EUR"}


def test_a_declined_top_up_goes_and_a_paid_one_stays(sara: User, ben: User, now: datetime) -> None:
    settle_top_up(top_up=start_top_up(user=sara, amount_micros=EURO, at=now), outcome="decline", at=now)
    fill_wallet(sara, 5, now)
    buy(make_listing(ben, now, plans=[PlanTerms("one_off", 5 * EURO)]), sara, now)
    erase_account(user=sara, at=now)
    assert list(TopUp.objects.values_list("state", "user")) == [("paid", sara.pk)]


def test_a_letter_goes_to_the_old_address(sara: User, now: datetime, django_capture_on_commit_callbacks: Any) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        erase_account(user=sara, at=now)
    [letter] = mail.outbox
    assert (letter.to, letter.subject) == (["sara@example.test"], "Ownstream: your account is erased")


def test_nothing_goes_out_when_the_commit_fails(sara: User, now: datetime) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        erase_account(user=sara, at=now)
        raise RuntimeError
    assert mail.outbox == []
    assert (User.objects.get(pk=sara.pk).email, LeftFile.objects.count()) == ("sara@example.test", 0)


def test_what_was_asked_for_before_and_comes_after_is_refused(sara: User, ben: User, now: datetime) -> None:
    """sara's requests hold her account as it was: none of them brings anything back."""
    device = make_device(sara, now)
    listing = make_listing(ben, now, plans=[FREE])
    own = make_consent(sara, now, devices=[device])
    sequence_batch(at=now)
    erase_account(user=User.objects.get(pk=sara.pk), at=now)
    late: list[Callable[[], Any]] = [
        lambda: make_consent(sara, now, devices=[device]),
        lambda: make_draft(sara, now, consent=own),
        lambda: start_top_up(user=sara, amount_micros=EURO, at=now),
        lambda: buy_listing(listing=listing, plan=listing.plans.get(), buyer=sara, quoted_micros=0, at=now),
    ]
    before = snapshot()
    for act in late:
        with pytest.raises(AccountErased):
            act()
    for act in (
        lambda: make_device(sara, now),
        sara.save,
        lambda: EmailAddress.objects.create(user=sara, email="a@b.c"),
    ):
        with pytest.raises(DatabaseError, match="The account was erased"), transaction.atomic():
            act()
    assert snapshot() == before


def test_a_refresh_after_the_erasure_delivers_nothing(sara: User, now: datetime) -> None:
    _, listing = make_stocked_listing(sara, now)
    erase_account(user=sara, at=now)
    refresh_table(listing=listing, at=now)
    assert not Segment.objects.exists()


def test_the_same_person_may_come_back_and_is_somebody_new(sara: User, now: datetime) -> None:
    erase_account(user=sara, at=now)
    anew = User.objects.create_user("sara@example.test")
    assert anew.public_id != sara.public_id
    assert outlook_for(anew, at=now).consent_count == 0


def test_who_owes_what_the_bank_took_back_stays(ben: User, sara: User, now: datetime) -> None:
    top_up = start_top_up(user=ben, amount_micros=20 * EURO, at=now)
    pay_at_test_provider(top_up=top_up, answer="pay", at=now)
    move_all(ben, sara, now)
    say(top_up, "dispute.opened", now)
    with pytest.raises(errors.DebtLeft) as caught:
        erase_account(user=ben, at=now)
    assert caught.value.details == {"amount_micros": 20 * EURO, "currency": "EUR"}
    assert [type(one) for one in outlook_for(ben, at=now).obstacles] == [errors.DebtLeft]
    ben.refresh_from_db()
    assert ben.erased_at is None


def test_who_sold_by_use_stays_until_it_is_billed(ben: User, sara: User, now: datetime) -> None:
    fill_wallet(ben, 2, now)
    listing = make_listing(sara, now, plans=[PlanTerms("metered", micros_per_1000_rows=EURO)])
    count_rows(purchase=buy(listing, ben, now), row_count=1_000, at=now)
    with pytest.raises(errors.SalesNotBilled) as caught:
        erase_account(user=sara, at=now)
    assert caught.value.details == {"amount_micros": EURO, "currency": "EUR"}
    withdraw_listing_with_refunds(listing=listing, at=now + timedelta(seconds=1))
    bill_usage(at=now + timedelta(minutes=1))
    sequence_batch(at=now)
    assert errors.SalesNotBilled not in {type(one) for one in outlook_for(sara, at=now).obstacles}


def test_who_read_by_use_stays_until_it_is_billed(ben: User, sara: User, now: datetime) -> None:
    fill_wallet(ben, 2, now)
    purchase = buy(make_listing(sara, now, plans=[PlanTerms("metered", micros_per_1000_rows=EURO)]), ben, now)
    count_rows(purchase=purchase, row_count=1_000, at=now)
    with pytest.raises(errors.UsageNotBilled) as caught:
        erase_account(user=ben, at=now)
    assert caught.value.details == {"amount_micros": EURO, "currency": "EUR"}
    stop_metered(purchase=purchase, at=now)
    bill_usage(at=now)
    sequence_batch(at=now)
    fresh = Purchase.objects.select_related("buyer", "plan", "listing").get(pk=purchase.pk)
    move_all(ben, sara, now)
    erase_account(user=ben, at=now)
    assert balance_micros(account_of(sara, "escrow")) == EURO
    with pytest.raises(AccountErased):
        count_rows(purchase=fresh, row_count=1, at=now)


def test_what_cost_nothing_by_use_holds_up_nobody(ben: User, sara: User, now: datetime) -> None:
    plan = PlanTerms("metered", micros_per_1000_rows=EURO, free_rows=5_000)
    purchase = buy(make_listing(sara, now, plans=[plan]), ben, now)
    count_rows(purchase=purchase, row_count=1_000, at=now)
    assert erase_account(user=ben, at=now).erased_at is not None


def move_all(ben: User, sara: User, now: datetime) -> None:
    left = balance_micros(account_of(ben))
    postings = [(account_of(ben), -left), (account_of(sara), left)]
    post_transfer(idempotency_key=uuid4(), kind=Transfer.Kind.RELEASE, postings=postings, reference=None, at=now)
