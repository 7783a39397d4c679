"""The public page of one log entry, which every seal opens."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.test import Client
from django.urls import reverse

from ledger.models import Entry
from marketplace.accounts.models import User
from tests.builders import make_listing

pytestmark = pytest.mark.django_db


def test_anybody_sees_an_entry_down_to_its_bytes(client: Client, sara: User, now: datetime):
    listing = make_listing(sara, now)
    assert listing.entry_id is not None
    entry = Entry.objects.get(entry_id=listing.entry_id)
    page = client.get(reverse("log_entry", args=[entry.index]))
    assert page.context["inspection"].is_good
    assert "Its bytes lead to the newest signed root." in page.content.decode()
    assert "listing.published" in page.content.decode()


def test_says_nothing_about_the_person(client: Client, sara: User, now: datetime):
    make_listing(sara, now, title="A roof of mine")
    for index in Entry.objects.values_list("index", flat=True):
        page = client.get(reverse("log_entry", args=[index])).content.decode()
        assert sara.email not in page
        assert "A roof of mine" not in page


def test_an_unknown_entry_is_not_there(client: Client):
    assert client.get("/log/entries/7/").status_code == 404
    assert client.get("/log/entries/99999999999999999999999/").status_code == 404


def test_every_seal_opens_its_entry(client: Client, sara: User, now: datetime):
    listing = make_listing(sara, now)
    assert listing.entry_id is not None
    index = Entry.objects.get(entry_id=listing.entry_id).index
    page = client.get(reverse("listing_page", args=[listing.public_id])).content.decode()
    assert reverse("log_entry", args=[index]) in page
