import html
import json
import re
import subprocess
import sys
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from ledger.models import OutboxRow
from marketplace.access.errors import TokenRevoked
from marketplace.access.models import AccessToken
from marketplace.access.services import authorise, issue_token, revoke_token
from marketplace.consents.services import withdraw_consent
from marketplace.purchases.services import buy_listing
from marketplace.web.buyer.snippets import profile_name
from tests.web.buyer.conftest import HTMX

pytestmark = pytest.mark.django_db


def create(purchase):
    return reverse("token_create", args=[purchase.public_id])


def secret_in(answer):
    found = re.search(r'id="secret-value">([^<]+)<', answer.text)
    return found[1] if found else None


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_shows_the_token_once(as_ben, ready, headers):
    answer = as_ben.post(create(ready), {"first": "1"}, **headers)
    assert answer.status_code == 200
    assert ("<!DOCTYPE html>" in answer.text) is not bool(headers)
    secret = secret_in(answer)
    assert authorise(token=secret, at=timezone.now()).purchase == ready
    assert "no-store" in answer["Cache-Control"]
    assert secret not in as_ben.get(reverse("purchase_page", args=[ready.public_id])).text


def test_the_first_one_is_made_once(as_ben, ready):
    as_ben.post(create(ready), {"first": "1"}, **HTMX)
    again = as_ben.post(create(ready), {"first": "1"}, **HTMX)
    assert secret_in(again) is None
    assert AccessToken.objects.count() == 1


def test_another_one_on_request(as_ben, ready):
    first, second = secret_in(as_ben.post(create(ready))), secret_in(as_ben.post(create(ready)))
    assert first != second
    assert AccessToken.objects.count() == 2


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_refused_before_the_purchase_is_recorded(as_ben, purchase, headers):
    answer = as_ben.post(create(purchase), **headers)
    assert answer.status_code == 422
    assert not AccessToken.objects.exists()
    assert not OutboxRow.objects.filter(kind="access.granted").exists()


def test_refused_after_a_withdrawal(as_ben, ready, at):
    withdraw_consent(consent=ready.listing.consent, at=at)
    answer = as_ben.post(create(ready))
    assert answer.status_code == 422
    assert "consent_withdrawn" in answer.text
    assert not AccessToken.objects.exists()


@pytest.mark.parametrize("method", ["get", "head"])
def test_a_get_makes_nothing_and_leads_to_the_purchase(as_ben, ready, at, method):
    token, _ = issue_token(purchase=ready, at=at)
    page = reverse("purchase_page", args=[ready.public_id])
    for address in (
        create(ready),
        reverse("profile_download", args=[ready.public_id]),
        reverse("token_rotation", args=[token.public_id]),
    ):
        assert getattr(as_ben, method)(address).url == page
    assert AccessToken.objects.count() == 1


def test_a_get_tells_others_nothing_about_a_token(client, as_mallory, ready, at):
    token, _ = issue_token(purchase=ready, at=at)
    address = reverse("token_rotation", args=[token.public_id])
    assert as_mallory.get(address).status_code == 404
    assert client.get(address).url == f"{reverse('account_login')}?next={address}"


@pytest.mark.parametrize("name", ["token_rotation", "token_revocation"])
def test_others_do_not_find_a_token(client, as_mallory, as_sara, ready, at, name):
    token, _ = issue_token(purchase=ready, at=at)
    for stranger in (as_mallory, as_sara):
        assert stranger.post(reverse(name, args=[token.public_id])).status_code == 404
        assert stranger.post(create(ready)).status_code == 404
    assert client.post(reverse(name, args=[token.public_id])).status_code == 302
    token.refresh_from_db()
    assert (token.revoked_at, token.replaced_at, AccessToken.objects.count()) == (None, None, 1)


def test_rotation_shows_the_new_one(as_ben, ready, at):
    token, old = issue_token(purchase=ready, at=at)
    new = secret_in(as_ben.post(reverse("token_rotation", args=[token.public_id])))
    assert new != old
    assert authorise(token=new, at=timezone.now()).purchase == ready
    assert secret_in(as_ben.post(reverse("token_rotation", args=[token.public_id]))) == new
    assert AccessToken.objects.count() == 2


def test_revocation_asks_first_and_may_be_repeated(as_ben, ready, at):
    token, _ = issue_token(purchase=ready, at=at)
    address = reverse("token_revocation", args=[token.public_id])
    assert "Revoke the token" in as_ben.get(address).text
    assert AccessToken.objects.filter(revoked_at=None).exists()
    for _ in range(2):
        assert as_ben.post(address).url == reverse("purchase_page", args=[ready.public_id])
    assert not AccessToken.objects.filter(revoked_at=None).exists()
    assert OutboxRow.objects.filter(kind="access.revoked").count() == 1


def test_the_profile_file_is_made_of_the_token_on_the_page(as_ben, ready, at, settings):
    settings.ALLOWED_HOSTS = ["market.test"]
    token, secret = issue_token(purchase=ready, at=at)
    address = reverse("profile_download", args=[ready.public_id])
    answer = as_ben.post(address, {"token": secret}, HTTP_HOST="market.test:8123")
    assert json.loads(answer.content) == {
        "shareCredentialsVersion": 1,
        "endpoint": "http://market.test:8123/delta-sharing/",
        "bearerToken": secret,
        "expirationTime": token.expires_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }
    assert answer["Content-Disposition"] == f'attachment; filename="{profile_name(ready)}"'
    assert "no-store" in answer["Cache-Control"]


def test_two_purchases_of_one_listing_have_two_profile_files(ready, ben, at):
    plan = ready.listing.plans.get()
    again = buy_listing(listing=ready.listing, plan=plan, buyer=ben, quoted_micros=plan.price_micros, at=at)
    assert profile_name(again) != profile_name(ready)
    assert profile_name(ready).startswith(ready.listing.share_name)


@pytest.mark.parametrize("text", ["", "osm_wrong", "\N{SNOWMAN}"])
def test_no_profile_for_a_wrong_token(as_ben, ready, text):
    answer = as_ben.post(reverse("profile_download", args=[ready.public_id]), {"token": text})
    assert answer.status_code == 422
    assert "token_unknown" in answer.text


def test_no_profile_for_others(as_mallory, ready, at):
    _, secret = issue_token(purchase=ready, at=at)
    assert as_mallory.post(reverse("profile_download", args=[ready.public_id]), {"token": secret}).status_code == 404


def test_an_ended_purchase_gets_no_token(as_ben, ready):
    ready.access_until = timezone.now() - timedelta(days=1)
    ready.save()
    answer = as_ben.post(create(ready))
    assert answer.status_code == 422
    assert "purchase_ended" in answer.text


def new(purchase):
    return reverse("token_new", args=[purchase.public_id])


LIMITS = {
    "name": "Nightly report",
    "chosen_fields": ["air_temperature"],
    "window_until": "2026-01-01T00:00",
    "row_cap": "1000",
    "rate_per_minute": "60",
    "networks": "192.0.2.7/24\n\n2001:db8::/32",
}


def test_a_narrowed_token_is_made_shown_and_listed(as_ben, ready):
    assert "Narrow what it opens" in as_ben.get(new(ready)).text
    answer = as_ben.post(new(ready), LIMITS)
    token = AccessToken.objects.get()
    assert (token.name, token.row_cap, token.rate_per_minute) == ("Nightly report", 1000, 60)
    assert token.networks == ["192.0.2.0/24", "2001:db8::/32"]
    assert authorise(token=secret_in(answer), at=timezone.now(), address="192.0.2.1").fields == ("air_temperature",)
    page = as_ben.get(reverse("purchase_page", args=[ready.public_id])).text
    for words in ("Nightly report", "0 of 1,000 rows read", "only air_temperature", "from 192.0.2.0/24", "192.0.2.1"):
        assert words in page


def test_an_empty_form_makes_a_token_for_everything(as_ben, ready):
    assert secret_in(as_ben.post(new(ready), {"name": ""}))
    assert not AccessToken.objects.get().is_narrowed


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"networks": "here"}, "is no network"),
        ({"row_cap": "0"}, "Rows in all"),
        ({"chosen_fields": ["position"]}, "position"),
        ({"window_from": "2026-01-02T00:00"}, "window must end after it begins"),
        ({"expires_at": "2020-01-01T00:00"}, "expired already"),
        ({"expires_at": "2099-01-01T00:00"}, "token_too_wide"),
        ({"name": "n" * 61}, "Name"),
    ],
)
def test_wrong_limits_make_nothing(as_ben, ready, changes, words):
    answer = as_ben.post(new(ready), LIMITS | changes)
    assert answer.status_code == 422
    assert words in answer.text
    assert '<details class="disclosure" open>' in answer.text
    assert not AccessToken.objects.exists()


def test_the_oauth_client_is_made_once_and_its_profile_comes_from_the_page(as_ben, ready, settings):
    settings.ALLOWED_HOSTS = ["market.test", "testserver"]
    answer = as_ben.post(new(ready), {"name": "", "kind": "client"})
    secret, token = secret_in(answer), AccessToken.objects.get()
    fetching = (
        f"curl -u {token.application.client_id}:{secret} \\\n  -d grant_type=client_credentials http://testserver/"
    )
    assert fetching in html.unescape(answer.text)
    again = as_ben.post(new(ready), {"name": "", "kind": "client"})
    assert (again.status_code, "client_exists" in again.text) == (422, True)
    address = reverse("profile_download", args=[ready.public_id])
    profile = json.loads(as_ben.post(address, {"token": secret}, HTTP_HOST="market.test").content)
    assert profile == {
        "shareCredentialsVersion": 2,
        "type": "oauth_client_credentials",
        "endpoint": "http://market.test/delta-sharing/",
        "tokenEndpoint": "http://market.test/oauth/token",
        "clientId": token.application.client_id,
        "clientSecret": secret,
    }
    assert as_ben.post(address, {"token": "oss_other"}).status_code == 422


def test_what_the_page_says_about_passing_on_works(as_ben, ready, at):
    token, _ = issue_token(purchase=ready, at=at)
    address = reverse("token_delegation", args=[token.public_id])
    assert 'MINE = "osb_..."' in html.unescape(as_ben.get(address).text)
    shown = re.search(r'<code id="[^"]+">(from datetime.+?)</code>', as_ben.post(address).text, re.DOTALL)
    assert shown
    # As it is printed, beside the token.
    program = html.unescape(shown[1])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    grant = authorise(token=done.stdout.strip(), at=timezone.now())
    assert (grant.token.parent, grant.row_cap_left) == (token, 10_000)
    page = as_ben.get(reverse("purchase_page", args=[ready.public_id])).text
    assert "Passed on" in page
    as_ben.post(reverse("token_revocation", args=[grant.token.public_id]))
    with pytest.raises(TokenRevoked):
        authorise(token=done.stdout.strip(), at=timezone.now())


def test_a_revoked_token_is_not_passed_on(as_ben, ready, at):
    token, _ = issue_token(purchase=ready, at=at)
    revoke_token(token=token, at=at)
    answer = as_ben.post(reverse("token_delegation", args=[token.public_id]))
    assert (answer.status_code, "token_revoked" in answer.text) == (422, True)


def test_others_find_neither_form_nor_delegation(client, as_mallory, as_sara, ready, at):
    token, _ = issue_token(purchase=ready, at=at)
    for address in (new(ready), reverse("token_delegation", args=[token.public_id])):
        for stranger in (as_mallory, as_sara):
            assert stranger.get(address).status_code == 404
            assert stranger.post(address, LIMITS).status_code == 404
        assert client.post(address, LIMITS).status_code == 302
    assert AccessToken.objects.count() == 1
