"""The inbox: what it shows, to whom, and what marking does."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from marketplace.accounts.models import User
from marketplace.notices.kinds import ALWAYS_MAILED, LABELS, NoticeKind
from marketplace.notices.models import MutedMail, Notice
from marketplace.notices.services import muted_kinds, unread_count
from tests.builders import make_listing
from tests.builders_delivery import buy
from tests.builders_money import fill_wallet
from tests.builders_notices import tell

pytestmark = pytest.mark.django_db
SALE, EXPIRY = NoticeKind.SALE, NoticeKind.EXPIRY


@pytest.fixture
def as_sara(client: Client, sara: User) -> Client:
    client.force_login(sara)
    return client


def test_an_empty_inbox_says_what_will_be_there(as_sara: Client) -> None:
    page = as_sara.get("/notices/")
    assert "will be told here" in page.text
    assert "Mark all as read" not in page.text


def test_shows_ones_own_notices_newest_first(as_sara: Client, sara: User, ben: User, now: datetime) -> None:
    tell(sara, SALE, now, title="Older")
    tell(sara, SALE, now + timedelta(hours=1), title="Newer <b>")
    tell(ben, SALE, now, title="Of somebody else")
    text = as_sara.get("/notices/").text
    assert 0 < text.index("Newer &lt;b&gt;") < text.index("Older")
    assert "Of somebody else" not in text
    assert '<span class="unread-count">2<' in text


def test_narrows_to_a_kind_and_to_what_is_unread(as_sara: Client, sara: User, now: datetime) -> None:
    tell(sara, SALE, now, title="Sold")
    tell(sara, EXPIRY, now, title="Ending")
    text = as_sara.get("/notices/?kind=expiry").text
    assert ("Ending" in text, "“Sold”" in text) == (True, False)
    Notice.objects.filter(kind="expiry").update(read_at=now)
    text = as_sara.get("/notices/?show=unread").text
    assert ("“Ending”" in text, "Sold" in text) == (False, True)
    assert "Nothing of this kind" in as_sara.get("/notices/?kind=payout").text
    assert "“Sold”" in as_sara.get("/notices/?kind=gossip&from=nonsense").text


def test_pages_through_many(as_sara: Client, sara: User, now: datetime) -> None:
    for number in range(65):
        tell(sara, SALE, now + timedelta(minutes=number // 2), title=f"No. {number}.")
    seen: list[str] = []
    address = "/notices/?kind=sale"
    for _ in range(3):
        page = as_sara.get(address)
        seen += [row["notice"].facts["title"] for row in page.context["rows"]]
        address = f"/notices/?kind=sale&from={page.context['page'].next_mark}"
    assert len(seen) == len(set(seen)) == 65
    assert page.context["page"].next_mark == ""


def test_counts_up_to_a_hundred(as_sara: Client, sara: User, now: datetime) -> None:
    for _ in range(101):
        tell(sara, SALE, now)
    assert unread_count(sara) == 100
    assert '<span class="unread-count">99+<' in as_sara.get("/home/").text


def test_asks_for_the_count_once_a_page(
    as_sara: Client, sara: User, now: datetime, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(20):
        tell(sara, SALE, now)
    # Session, person, the rows, whether the inbox has any, the count.
    with django_assert_max_num_queries(5):
        as_sara.get("/notices/")


def test_opening_marks_as_read_and_leads_on(as_sara: Client, sara: User, now: datetime) -> None:
    notice = tell(sara, SALE, now)
    answer = as_sara.get(f"/notices/{notice.public_id}/")
    assert (answer.status_code, answer["Location"]) == (302, "/sales/purchases/")
    assert unread_count(sara) == 0


def test_marks_one_and_back_again(as_sara: Client, sara: User, now: datetime) -> None:
    notice = tell(sara, SALE, now)
    tell(sara, SALE, now)
    address = f"/notices/{notice.public_id}/reading/"
    answer = as_sara.post(address, {"state": "read", "next": "/notices/?kind=sale"})
    assert (answer["Location"], unread_count(sara)) == ("/notices/?kind=sale", 1)
    answer = as_sara.post(address, {"state": "unread", "next": "https://evil.example/"})
    assert (answer["Location"], unread_count(sara)) == ("/notices/", 2)


def test_marks_all_ones_own(as_sara: Client, sara: User, ben: User, now: datetime) -> None:
    for person in (sara, sara, ben):
        tell(person, SALE, now)
    for _ in range(2):
        assert as_sara.post("/notices/reading/").status_code == 302
    assert (unread_count(sara), unread_count(ben)) == (0, 1)


def test_a_stranger_sees_and_marks_nothing(client: Client, sara: User, mallory: User, now: datetime) -> None:
    notice = tell(sara, SALE, now)
    for address in (f"/notices/{notice.public_id}/", f"/notices/{uuid4()}/"):
        assert client.get(address).status_code == 302
        client.force_login(mallory)
        assert client.get(address).status_code == 404
        assert client.post(f"{address}reading/").status_code == 404
        client.logout()
    assert unread_count(sara) == 1


def test_leads_to_what_each_is_about(client: Client, sara: User, ben: User, now: datetime) -> None:
    fill_wallet(ben, 20, now)
    listing = make_listing(sara, now)
    purchase = buy(listing, ben, now)
    own = {"purchase": str(purchase.public_id), "consent": str(listing.consent.public_id)}

    def target(person: User, kind: NoticeKind) -> str:
        changes = {name: value for name, value in own.items() if name in tell(person, kind, now).facts}
        notice = tell(person, kind, now, **changes)
        client.force_login(person)
        return client.get(f"/notices/{notice.public_id}/")["Location"]

    assert target(ben, NoticeKind.WITHDRAWAL) == f"/purchases/{purchase.public_id}/"
    assert target(sara, NoticeKind.REFUND) == "/sales/purchases/"
    assert target(sara, NoticeKind.CONSENT_REMINDER) == f"/consents/{listing.consent.public_id}/"
    assert target(ben, NoticeKind.CONSENT_CHANGE) == "/purchases/"
    assert target(ben, NoticeKind.OFFER).startswith("/listings/")
    assert target(sara, NoticeKind.PAYOUT) == "/sales/"
    assert target(sara, NoticeKind.FIRST_READ) == "/sales/reads/"
    failed = tell(ben, NoticeKind.PAYMENT_FAILURE, now, purchase="", title="")
    client.force_login(ben)
    assert client.get(f"/notices/{failed.public_id}/")["Location"] == "/wallet/"


def test_choosing_letters(as_sara: Client, sara: User) -> None:
    page = as_sara.get("/notices/letters/")
    assert page.text.count(" checked") == len(NoticeKind) - len(ALWAYS_MAILED)
    assert LABELS[NoticeKind.WITHDRAWAL] not in page.text
    for _ in range(2):
        assert as_sara.post("/notices/letters/", {"kinds": ["sale", "offer"]}).status_code == 302
    assert muted_kinds(sara).isdisjoint({SALE, NoticeKind.OFFER, NoticeKind.WITHDRAWAL})
    assert as_sara.get("/notices/letters/").text.count(" checked") == 2
    assert as_sara.post("/notices/letters/", {}).status_code == 302
    assert MutedMail.objects.count() == len(NoticeKind) - len(ALWAYS_MAILED)


@pytest.mark.parametrize("kind", ["withdrawal", "gossip"])
def test_refuses_a_choice_that_is_not_offered(as_sara: Client, kind: str) -> None:
    assert as_sara.post("/notices/letters/", {"kinds": [kind]}).status_code == 422
    assert not MutedMail.objects.exists()


def test_letters_need_a_log_in(client: Client, db: None) -> None:
    assert "/accounts/login/" in client.get("/notices/letters/")["Location"]
    assert "/accounts/login/" in client.post("/notices/letters/", {"kinds": ["sale"]})["Location"]
    assert not MutedMail.objects.exists()
