from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress

from marketplace.accounts.api_keys import KEYS_PER_PERSON, create_api_key, revoke_api_key, revoke_api_keys
from marketplace.accounts.errors import AddressNotConfirmed, ApiKeyNameMissing, TooManyApiKeys
from marketplace.accounts.models import ApiKey


def test_a_key_is_long_and_never_kept(ben, now):
    api_key, key = create_api_key(user=ben, name=" Script ", at=now)
    assert len(key) >= 43
    assert key.startswith(api_key.prefix)
    assert api_key.name == "Script"
    assert key.encode() not in bytes(api_key.key_hash)
    assert list(ApiKey.objects.usable()) == [api_key]


def test_a_nameless_key_is_refused(ben, now):
    with pytest.raises(ApiKeyNameMissing):
        create_api_key(user=ben, name="  ", at=now)
    assert not ApiKey.objects.exists()


def test_there_is_a_limit_and_revoked_keys_do_not_count(ben, now):
    keys = [create_api_key(user=ben, name="Script", at=now)[0] for _ in range(KEYS_PER_PERSON)]
    with pytest.raises(TooManyApiKeys):
        create_api_key(user=ben, name="One more", at=now)
    revoke_api_key(api_key=keys[0], at=now)
    create_api_key(user=ben, name="One more", at=now)
    assert ApiKey.objects.usable().count() == KEYS_PER_PERSON


@pytest.mark.parametrize("state", [{"verified": False}, {"primary": False}])
def test_who_has_no_proven_address_gets_no_key(ben, now, state):
    EmailAddress.objects.filter(user=ben).update(**state)
    with pytest.raises(AddressNotConfirmed):
        create_api_key(user=ben, name="Script", at=now)
    assert not ApiKey.objects.exists()


def test_all_keys_of_one_person_end_at_once_and_keep_the_time_they_ended(ben, sara, now):
    old, kept = (create_api_key(user=person, name="Script", at=now)[0] for person in (ben, sara))
    revoke_api_key(api_key=old, at=now)
    create_api_key(user=ben, name="Script", at=now)
    later = now + timedelta(hours=1)
    assert [revoke_api_keys(user=ben, at=later), revoke_api_keys(user=ben, at=later)] == [1, 0]
    assert list(ApiKey.objects.usable()) == [kept]
    old.refresh_from_db()
    assert old.revoked_at == now
