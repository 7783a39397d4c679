import pytest

from marketplace.accounts.api_keys import KEYS_PER_PERSON, create_api_key, revoke_api_key
from marketplace.accounts.errors import ApiKeyNameMissing, TooManyApiKeys
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
