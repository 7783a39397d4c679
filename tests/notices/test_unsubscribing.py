"""The link in a letter that ends letters of its kind: signed, without a log-in, never for what must be mailed."""

from datetime import datetime

import pytest
from django.core import signing
from django.test import Client

from marketplace.accounts.models import User
from marketplace.accounts.services import blank_account
from marketplace.notices.kinds import ALWAYS_MAILED, NoticeKind
from marketplace.notices.mailing import letter_of
from marketplace.notices.models import MutedMail
from marketplace.notices.services import choose_mailed_kinds, muted_kinds
from tests.builders_notices import tell

pytestmark = pytest.mark.django_db
SALE = NoticeKind.SALE


@pytest.fixture
def address(sara: User, now: datetime) -> str:
    header = letter_of(tell(sara, SALE, now)).extra_headers["List-Unsubscribe"]
    return "/notices/" + header.strip("<>").partition("/notices/")[2]


def test_get_asks_and_changes_nothing(client: Client, address: str) -> None:
    page = client.get(address)
    assert page.status_code == 200
    assert "Stop these letters" in page.text
    assert not MutedMail.objects.exists()


def test_one_click_needs_no_session_and_no_csrf_token(sara: User, ben: User, address: str) -> None:
    mail_program = Client(enforce_csrf_checks=True)
    for _ in range(2):
        answer = mail_program.post(address, {"List-Unsubscribe": "One-Click"})
        assert answer.status_code == 200
        assert "ownstream_session" not in answer.cookies
    assert (muted_kinds(sara), muted_kinds(ben)) == ({SALE}, set())


@pytest.mark.parametrize("spoil", [lambda text: text[:-3] + "/", lambda text: "/notices/letters/stop/x/"])
def test_a_link_that_was_not_made_here_changes_nothing(client: Client, address: str, spoil) -> None:
    for answer in (client.get(spoil(address)), client.post(spoil(address))):
        assert answer.status_code == 410
        assert "unsubscribe_link_invalid" in answer.text
    assert not MutedMail.objects.exists()


@pytest.mark.parametrize("content", [["zz", "sale"], ["6f1c", 7], "x", ["6f1c8a529d0e4c7b8a412b6d3e5f7081", "sale"]])
def test_a_signed_link_about_nobody_changes_nothing(client: Client, db: None, content: object) -> None:
    token = signing.dumps(content, salt="notices.unsubscribe")
    assert client.post(f"/notices/letters/stop/{token}/").status_code == 410


def test_what_must_be_mailed_has_no_link(client: Client, sara: User, now: datetime) -> None:
    letter = letter_of(tell(sara, NoticeKind.WITHDRAWAL, now))
    assert "List-Unsubscribe" not in letter.extra_headers
    assert "can't be switched off" in str(letter.body)
    token = signing.dumps([sara.public_id.hex, "withdrawal"], salt="notices.unsubscribe")
    answer = client.post(f"/notices/letters/stop/{token}/")
    assert (answer.status_code, "mail_required" in answer.text) == (410, True)
    assert not MutedMail.objects.exists()


def test_the_link_of_an_erased_account_is_dead(client: Client, sara: User, now: datetime, address: str) -> None:
    blank_account(user=sara, at=now)
    assert client.post(address).status_code == 410


def test_choosing_says_which_are_mailed(sara: User, now: datetime) -> None:
    choose_mailed_kinds(user=sara, kinds=[SALE], at=now)
    assert muted_kinds(sara) == set(NoticeKind) - {SALE} - ALWAYS_MAILED
    choose_mailed_kinds(user=sara, kinds=list(NoticeKind), at=now)
    assert muted_kinds(sara) == set()
