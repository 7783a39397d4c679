"""The landing page: live figures and real listings; the mail page, which only the embedded run has."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.core import mail
from django.core.cache import cache
from django.core.mail.backends.filebased import EmailBackend
from django.test import Client
from django.urls import reverse

from marketplace.accounts.models import User
from marketplace.consents.services import withdraw_consent
from marketplace.web.figures import count_figures
from tests.builders import make_listing
from tests.builders_devices import make_signing_device

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_cache() -> None:
    cache.clear()


def test_an_empty_market_has_a_landing_page(client: Client):
    page = client.get(reverse("landing"))
    assert page.status_code == 200
    assert page.context["figures"].entry_count == 0
    assert "For sale now" not in page.content.decode()


def test_counts_what_there_is(sara: User, now: datetime):
    device = make_signing_device(sara, now)
    device.send([(now - timedelta(minutes=1), "air_temperature", 4.5, "Cel")], at=now)
    figures = count_figures(now)
    assert (figures.device_count, figures.readings_today, figures.paid_micros) == (1, 1, 0)
    assert (len(figures.readings_by_day), sum(figures.readings_by_day)) == (14, 1)
    assert not figures.has_trend
    assert replace(figures, readings_by_day=[0] * 12 + [3, 1]).has_trend
    assert count_figures(now + timedelta(days=1)).readings_today == 0


def test_shows_live_listings_and_none_that_was_withdrawn(client: Client, sara: User, now: datetime):
    listing = make_listing(sara, now, title="Roof weather")
    assert "Roof weather" in client.get(reverse("landing")).content.decode()
    withdraw_consent(consent=listing.consent, at=now)
    assert "Roof weather" not in client.get(reverse("landing")).content.decode()


def send(settings, folder, subject: str = "Hello") -> None:
    settings.EMAIL_FILE_PATH = str(folder)
    EmailBackend(file_path=str(folder)).send_messages(
        [mail.EmailMessage(subject, "Open http://testserver/x to go on.", to=["ben@example.test"])]
    )


def test_mail_of_the_embedded_run_can_be_read(client: Client, settings, tmp_path):
    settings.MAIL_FOLDER = tmp_path
    assert "Mail will be here" in client.get(reverse("mail_list")).content.decode()
    send(settings, tmp_path, "Größe")
    (row,) = client.get(reverse("mail_list")).context["mails"]
    assert (row.subject, row.to) == ("Größe", "ben@example.test")
    page = client.get(reverse("mail_page", args=[row.name])).content.decode()
    assert '<a href="http://testserver/x"' in page


@pytest.mark.parametrize("name", ["..", "../settings.py.0", "%2e%2e%2fx.log.0", "20260314-092653-1.log.9", "x"])
def test_other_names_find_no_mail(client: Client, settings, tmp_path, name: str):
    settings.MAIL_FOLDER = tmp_path
    send(settings, tmp_path)
    assert client.get(f"/mail/{name}/").status_code == 404


def test_production_has_no_mail_page(client: Client, settings, tmp_path):
    settings.MAIL_FOLDER, settings.IS_EMBEDDED = tmp_path, False
    send(settings, tmp_path)
    assert client.get(reverse("mail_list")).status_code == 404


def test_an_unknown_address_says_what_to_do(client: Client):
    page = client.get("/nothing/here/")
    assert page.status_code == 404
    assert "There is nothing here" in page.content.decode()
