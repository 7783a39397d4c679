import pytest
from django.contrib.auth import authenticate
from django.db import IntegrityError

from marketplace.accounts.models import User

pytestmark = pytest.mark.django_db


def test_an_address_is_kept_in_lower_case_and_found_in_any():
    user = User.objects.create_user("Ben@Example.Test", "correct-horse-battery")
    assert user.email == "ben@example.test"
    assert authenticate(username="BEN@example.test", password="correct-horse-battery") == user


def test_an_address_belongs_to_one_person(ben):
    with pytest.raises(IntegrityError):
        User.objects.create(email="BEN@example.test")


def test_strangers_see_the_chosen_name_or_a_handle_that_says_nothing(ben):
    assert ben.pseudonym == f"Member {str(ben.public_id)[:6]}"
    ben.display_name = "Ben's data"
    assert str(ben) == ben.pseudonym == "Ben's data"
