"""The page on which a buyer takes what he bought as one file."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from marketplace.access.services import revoke_token
from marketplace.accounts.models import User
from marketplace.consents.services import withdraw_consent
from marketplace.delivery.exports import making
from marketplace.delivery.models import Export, Read
from marketplace.delivery.tasks import make_export_task
from tests.builders_delivery import buy_token, make_stocked_listing
from tests.delivery.conftest import Bought

pytestmark = pytest.mark.django_db


@pytest.fixture
def bought(sara: User, ben: User) -> Bought:
    at = timezone.now()
    sender, listing = make_stocked_listing(sara, at)
    token, text = buy_token(listing, ben, at)
    return Bought(sender, listing, token, text, at)


def page(bought: Bought, name: str = "purchase_download", query: str = "") -> str:
    return reverse(name, args=[bought.token.purchase.public_id]) + query


def test_a_choice_leads_to_the_file_and_the_line_for_curl(as_ben: Client, bought: Bought) -> None:
    assert "Ready" not in as_ben.get(page(bought)).content.decode()
    ready = as_ben.get(page(bought, query="?format=ndjson"))
    assert ready.context["export"].row_count == 60
    assert "/readings?format=ndjson&amp;version=1" in ready.content.decode()
    assert not Read.objects.exists()
    file = as_ben.get(ready.context["file_address"])
    assert (file.status_code, len(b"".join(file).splitlines())) == (200, 60)
    assert (Read.objects.get().token, Read.objects.get().door) == (bought.token, "download")
    assert bought.text not in ready.content.decode()


def test_the_span_is_read_in_the_buyer_s_zone(as_ben: Client, bought: Bought, ben: User) -> None:
    ben.time_zone = "Asia/Tokyo"
    ben.save()
    ready = as_ben.get(page(bought, query="?format=csv&start=2026-01-01T09:00:00"))
    assert "from=2026-01-01T00%3A00%3A00.000000Z" in ready.context["file_address"]


def test_a_large_one_shows_how_far_it_is(as_ben: Client, bought: Bought, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "AT_ONCE", 0)
    asked: list[Any] = []
    monkeypatch.setattr(make_export_task, "apply_async", lambda args, **_: asked.append(args))
    waiting = as_ben.get(page(bought, query="?format=csv"))
    assert '<progress max="60" value="0"' in waiting.content.decode()
    status = waiting.context["status_address"]
    assert "hx-get" in as_ben.get(status).content.decode()
    make_export_task(*asked[0])
    done = as_ben.get(status).content.decode()
    assert "hx-get" not in done
    assert "Download" in done


@pytest.mark.parametrize("query", ["?format=xlsx", "?format=csv&start=2026-02-02&until=2026-01-01"])
def test_a_choice_that_cannot_be_says_why(as_ben: Client, bought: Bought, query: str) -> None:
    answer = as_ben.get(page(bought, query=query))
    assert answer.context["form"].errors
    assert not Export.objects.exists()


def test_without_a_token_it_says_where_to_make_one(as_ben: Client, bought: Bought) -> None:
    revoke_token(token=bought.token, at=timezone.now())
    assert "Make a token" in as_ben.get(page(bought)).content.decode()
    refused = as_ben.get(page(bought, "purchase_file", "?format=csv"))
    assert refused.status_code == 422


def test_after_a_withdrawal_there_is_none(as_ben: Client, bought: Bought) -> None:
    address = as_ben.get(page(bought, query="?format=csv")).context["file_address"]
    withdraw_consent(consent=bought.listing.consent, at=timezone.now())
    assert "withdr" in as_ben.get(page(bought, query="?format=csv")).content.decode()
    refused = as_ben.get(address)
    assert (refused.status_code, refused.context["refusal"].code) == (422, "consent_withdrawn")
    assert not Read.objects.exists()


@pytest.mark.parametrize("name", ["purchase_download", "download_status", "purchase_file"])
def test_a_purchase_is_its_buyer_s(client: Client, as_mallory: Client, bought: Bought, name: str) -> None:
    assert as_mallory.get(page(bought, name, "?format=csv")).status_code == 404
    assert client.get(page(bought, name, "?format=csv")).status_code == 302
    assert not Export.objects.exists()
