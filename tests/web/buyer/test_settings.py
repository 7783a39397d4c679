import re

import pytest
from django.urls import reverse

from marketplace.accounts.api_keys import hash_api_key
from marketplace.accounts.models import ApiKey
from marketplace.accounts.services import create_api_key
from tests.web.buyer.conftest import HTMX

pytestmark = pytest.mark.django_db
SETTINGS, KEYS, ADD_KEY = "/account/settings/", "/account/api-keys/", "/account/api-keys/add/"


def test_settings_are_saved(as_ben, ben):
    fields = {"display_name": "  Ben  B. ", "time_zone": "Europe/Berlin", "country": "DE"}
    assert as_ben.post(SETTINGS, fields).url == SETTINGS
    ben.refresh_from_db()
    assert (ben.display_name, ben.time_zone, ben.country) == ("Ben B.", "Europe/Berlin", "DE")
    assert "Your settings are saved" in as_ben.get(SETTINGS).text


@pytest.mark.parametrize("change", [{"time_zone": "Mars/Olympus"}, {"country": "XX"}, {"display_name": "x" * 61}])
@pytest.mark.parametrize("headers", [{}, HTMX])
def test_wrong_settings_are_refused(as_ben, ben, change, headers):
    fields = {"display_name": "Ben", "time_zone": "UTC", "country": ""} | change
    answer = as_ben.post(SETTINGS, fields, **headers)
    assert answer.status_code == 422
    assert ("<!DOCTYPE html>" in answer.text) is not bool(headers)
    ben.refresh_from_db()
    assert ben.display_name == ""


@pytest.mark.parametrize("address", [SETTINGS, KEYS])
def test_somebody_unknown_is_asked_to_log_in(client, address):
    assert client.get(address).status_code == 302


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_key_is_shown_once_and_kept_as_a_hash(as_ben, ben, headers):
    answer = as_ben.post(ADD_KEY, {"name": "Script"}, **headers)
    found = re.search(r'id="secret-value">([^<]+)<', answer.text)
    assert answer.status_code == 200
    assert found is not None
    key = ApiKey.objects.get()
    assert bytes(key.key_hash) == hash_api_key(found[1])
    assert (key.user, key.name) == (ben, "Script")
    assert "no-store" in answer["Cache-Control"]
    assert found[1] not in as_ben.get(KEYS).text
    assert "Script" in as_ben.get(KEYS).text


@pytest.mark.parametrize("name", ["", "   ", "x" * 61])
def test_a_key_needs_a_name(as_ben, name):
    assert as_ben.post(ADD_KEY, {"name": name}).status_code == 422
    assert not ApiKey.objects.exists()


def test_revoking_asks_first_and_may_be_repeated(as_ben, ben, at):
    key, _ = create_api_key(user=ben, name="Script", at=at)
    address = reverse("api_key_revocation", args=[key.public_id])
    assert "Revoke the key" in as_ben.get(address).text
    key.refresh_from_db()
    assert key.revoked_at is None
    assert as_ben.post(address).url == KEYS
    key.refresh_from_db()
    revoked_at = key.revoked_at
    as_ben.post(address)
    key.refresh_from_db()
    assert key.revoked_at == revoked_at is not None


def test_others_do_not_find_a_key(client, as_mallory, ben, at):
    key, _ = create_api_key(user=ben, name="Script", at=at)
    address = reverse("api_key_revocation", args=[key.public_id])
    assert as_mallory.post(address).status_code == 404
    assert client.post(address).status_code == 302
    assert "Script" not in as_mallory.get(KEYS).text
    key.refresh_from_db()
    assert key.revoked_at is None
