"""Which notices are mailed, that each is mailed once, and what becomes of a letter that fails."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from email import message_from_string, policy
from functools import partial
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.core.mail import EmailMessage

from marketplace.accounts.models import User
from marketplace.accounts.services import blank_account
from marketplace.notices.dispatching import dispatch_notices
from marketplace.notices.kinds import ALWAYS_MAILED, NoticeKind
from marketplace.notices.mailing import CLAIM, RETRY_AFTER, letter_of, mail_notices
from marketplace.notices.models import MutedMail, Notice
from marketplace.notices.services import choose_mailed_kinds, notify, words_of
from tests.builders_money import at_once
from tests.builders_notices import facts_of, tell
from tests.notices.mail_server import Received, mail_server

pytestmark = pytest.mark.django_db
SALE, EXPIRY, WITHDRAWAL = NoticeKind.SALE, NoticeKind.EXPIRY, NoticeKind.WITHDRAWAL


def send_all(at: datetime) -> None:
    dispatch_notices(at=at)
    while mail_notices(at=at):
        pass


def states() -> list[str]:
    return list(Notice.objects.order_by("id").values_list("mail_state", flat=True))


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_mails_each_kind_in_its_words(
    sara: User, now: datetime, kind: NoticeKind, mailoutbox: list[EmailMessage]
) -> None:
    notice = tell(sara, kind, now)
    send_all(now)
    letter = mailoutbox[0]
    words = words_of(notice)
    assert (letter.to, letter.subject, len(mailoutbox)) == (["sara@example.test"], words.subject, 1)
    assert f"/notices/{notice.public_id}/" in str(letter.body)
    assert words.text in str(letter.body)
    assert words.text.endswith(".")
    assert not {"{{", "{%", "None", "6f1c8a52", "&#", "&quot;"} & set(words.subject + words.text)
    assert letter.extra_headers["Message-ID"] == f"<notice-{notice.public_id}@127.0.0.1>"
    assert ("List-Unsubscribe" in letter.extra_headers) == (kind not in ALWAYS_MAILED)
    notice.refresh_from_db()
    assert (notice.mail_state, notice.mail_sent_at, notice.mail_attempts) == ("sent", now, 1)


def test_says_amounts_and_times_as_people_do(sara: User, now: datetime) -> None:
    sara.time_zone = "Europe/Vienna"
    sara.save()
    sale = tell(sara, SALE, now, title='A "roof" & <more>')
    assert words_of(sale).subject == 'Somebody bought “A "roof" & <more>” for EUR\N{NO-BREAK SPACE}12.50'
    expiry = tell(sara, EXPIRY, now)
    assert "before 1 April 2026, 02:00 CEST" in str(letter_of(expiry).body)


def test_a_title_of_two_lines_stays_in_one_subject(sara: User, now: datetime) -> None:
    notice = tell(sara, SALE, now, title="One\r\nBcc: mallory@example.test")
    assert letter_of(notice).subject.count("\n") == 0
    assert letter_of(notice).message()["Bcc"] is None


def test_mails_no_kind_that_is_switched_off(sara: User, now: datetime, mailoutbox: list[EmailMessage]) -> None:
    choose_mailed_kinds(user=sara, kinds=[EXPIRY], at=now)
    for kind in (SALE, EXPIRY, WITHDRAWAL):
        tell(sara, kind, now)
    send_all(now)
    assert states() == ["off", "sent", "sent"]
    assert len(mailoutbox) == 2


def test_what_must_be_mailed_is_mailed_whatever_the_rows_say(
    sara: User, now: datetime, mailoutbox: list[EmailMessage]
) -> None:
    MutedMail.objects.create(user=sara, kind=WITHDRAWAL, muted_at=now)
    tell(sara, WITHDRAWAL, now - timedelta(days=30))
    send_all(now)
    assert len(mailoutbox) == 1


def test_mails_nothing_that_is_a_week_old(sara: User, now: datetime, mailoutbox: list[EmailMessage]) -> None:
    tell(sara, SALE, now - timedelta(days=7))
    tell(sara, SALE, now - timedelta(days=6, hours=23))
    send_all(now)
    assert states() == ["off", "sent"]


def test_mails_only_to_proven_addresses_of_open_accounts(
    sara: User, ben: User, now: datetime, mailoutbox: list[EmailMessage]
) -> None:
    EmailAddress.objects.filter(user=sara).update(verified=False)
    ben.is_active = False
    ben.save()
    tell(sara, SALE, now)
    tell(ben, SALE, now)
    send_all(now)
    assert (states(), mailoutbox) == (["off", "off"], [])


def test_forgets_what_was_told_to_an_account_while_it_was_erased(sara: User, ben: User, now: datetime) -> None:
    tell(ben, SALE, now)
    tell(sara, SALE, now)
    Notice.objects.update(user=ben)
    blank_account(user=sara, at=now)
    Notice.objects.filter(pk=Notice.objects.latest("id").pk).update(user=sara)
    assert dispatch_notices(at=now) == 1
    assert [notice.user for notice in Notice.objects.all()] == [ben]


def test_sending_again_sends_nothing(sara: User, now: datetime, mailoutbox: list[EmailMessage]) -> None:
    tell(sara, SALE, now)
    for _ in range(3):
        send_all(now)
    assert len(mailoutbox) == 1


def test_a_letter_whose_worker_died_is_sent_once_the_claim_has_run_out(
    sara: User, now: datetime, mailoutbox: list[EmailMessage], monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(sara, SALE, now)
    dispatch_notices(at=now)
    with monkeypatch.context() as patch:
        patch.setattr("marketplace.notices.mailing._mail", lambda *_: None)
        assert mail_notices(at=now) == 1
    assert mail_notices(at=now + CLAIM - timedelta(seconds=1)) == 0
    assert mail_notices(at=now + CLAIM) == 1
    assert (states(), len(mailoutbox)) == (["sent"], 1)


@pytest.fixture
def server(settings: Any) -> Iterator[Received]:
    with mail_server() as received:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_USE_TLS = "127.0.0.1", received.port, False
        yield received


def test_sends_over_smtp_with_the_one_click_headers(server: Received, sara: User, now: datetime) -> None:
    tell(sara, SALE, now)
    send_all(now)
    letter = message_from_string(server.letters[0], policy=policy.default)
    assert re.fullmatch(r"<http://127.0.0.1:8000/notices/letters/stop/[\w:-]+/>", letter["List-Unsubscribe"].strip())
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert letter["Auto-Submitted"] == "auto-generated"


def test_a_recipient_that_is_refused_for_good_fails_at_once(server: Received, sara: User, now: datetime) -> None:
    server.answer = "550 no such sara@example.test"
    tell(sara, SALE, now)
    send_all(now)
    notice = Notice.objects.get()
    assert (notice.mail_state, notice.mail_error) == ("failed", "SMTPRecipientsRefused 550")
    assert mail_notices(at=now + timedelta(days=9)) == 0


def test_a_recipient_that_is_refused_for_now_is_tried_again(server: Received, sara: User, now: datetime) -> None:
    server.answer = "450 later"
    tell(sara, SALE, now)
    send_all(now)
    assert states() == ["waiting"]
    server.answer = "250 fine"
    assert mail_notices(at=now + RETRY_AFTER[0] * 1.2) == 1
    assert (states(), len(server.letters), Notice.objects.get().mail_error) == (["sent"], 1, "")


def test_an_absent_server_is_asked_with_growing_rests_and_given_up(sara: User, now: datetime, settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_USE_TLS = "127.0.0.1", 1, False
    tell(sara, SALE, now)
    dispatch_notices(at=now)
    at = now
    for rest in RETRY_AFTER:
        assert mail_notices(at=at) == 1
        notice = Notice.objects.get()
        assert notice.mail_due_at is not None
        assert rest * 0.8 <= notice.mail_due_at - at <= rest * 1.2
        assert (notice.mail_state, notice.mail_error) == ("waiting", "ConnectionRefusedError")
        assert mail_notices(at=notice.mail_due_at - timedelta(seconds=1)) == 0
        at = notice.mail_due_at
    assert mail_notices(at=at) == 1
    notice = Notice.objects.get()
    assert (notice.mail_state, notice.mail_due_at, notice.mail_attempts) == ("failed", None, len(RETRY_AFTER) + 1)


@pytest.mark.django_db(transaction=True)
def test_four_workers_mail_each_notice_once(
    sara: User, ben: User, now: datetime, mailoutbox: list[EmailMessage]
) -> None:
    for number in range(60):
        notify(user=(sara, ben)[number % 2], kind=SALE, facts=facts_of(SALE, title=f"No. {number}"), at=now)
    answers = at_once([partial(send_all, now)] * 4)
    assert answers == [None] * 4
    # A row that another worker had locked is left to that worker.
    send_all(now)
    subjects = sorted(letter.subject for letter in mailoutbox)
    assert len(subjects) == len(set(subjects)) == 60
    assert set(states()) == {"sent"}
