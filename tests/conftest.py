"""Fixtures that every test may use. Three people with fixed roles: sara sells, ben buys, mallory is a stranger."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import hypothesis
import pytest
from django.conf import settings as django_settings
from django.contrib.auth import get_user_model
from django.db import connection
from pytest_django.plugin import DjangoDbBlocker

from ledger import first_answer
from marketplace.embedded import browser
from tests import database_owner, flushing

if TYPE_CHECKING:
    from marketplace.accounts.models import User

PASSWORD = "correct-horse-battery"

# How long one example takes says more of what else the machine does than of the code.
hypothesis.settings.register_profile("ownstream", deadline=None)
hypothesis.settings.load_profile("ownstream")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Log in as the owner of the tables, who may make the test database."""
    connection.settings_dict.update(django_settings.DATABASE_OWNER)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Extend pytest-django's: transactional tests end in a flush, which append-only tables refuse.

    Every test then has the application's rights and no others; see tests/database_owner.py for the way back.
    """
    with django_db_blocker.unblock():
        flushing.keep_rows()
    flushing.install()
    with database_owner.application_rights(django_db_blocker):
        yield


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Drive the machine's own Chromium. Without one: skip, or fail where a browser is required."""
    found = browser.find_chromium()
    if found is None:
        if browser.is_browser_required():
            pytest.fail(browser.MISSING)
        pytest.skip(browser.MISSING)
    return browser_type_launch_args | {"executable_path": str(found), "args": browser.LAUNCH_FLAGS}


@pytest.fixture(autouse=True)
def no_vat(settings: Any) -> None:
    """Most tests are about prices and their parts without tax; those about tax register the market."""
    settings.MARKET_VAT_ID = ""


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    """A real password hash takes a third of a second, by design. No test is about its strength."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def new_memory(settings: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each test begins with an empty log, so its signer must not remember the log of another test."""
    settings.LEDGER_MEMORY_FILE = tmp_path_factory.getbasetemp() / f"{uuid4()}.memory"
    first_answer.forget()


@pytest.fixture
def now() -> datetime:
    return datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)


def make_person(name: str) -> "User":
    """Make a user with a verified address."""
    from allauth.account.models import EmailAddress

    user = get_user_model().objects.create_user(email=f"{name}@example.test", password=PASSWORD)
    EmailAddress.objects.get_or_create(user=user, email=user.email, defaults={"verified": True, "primary": True})
    return user


@pytest.fixture
def sara(db: None) -> "User":
    return make_person("sara")


@pytest.fixture
def ben(db: None) -> "User":
    return make_person("ben")


@pytest.fixture
def mallory(db: None) -> "User":
    return make_person("mallory")
