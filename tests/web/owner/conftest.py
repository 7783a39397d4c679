"""Pages are asked at the fixed moment `now`, by people who are logged in."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest
import time_machine
from django.test import Client

from marketplace.accounts.models import User


@pytest.fixture(autouse=True)
def clock(now: datetime) -> Iterator[None]:
    with time_machine.travel(now, tick=False):
        yield


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def sara_client(sara: User) -> Client:
    return logged_in(sara)


@pytest.fixture
def ben_client(ben: User) -> Client:
    return logged_in(ben)


@pytest.fixture
def mallory_client(mallory: User) -> Client:
    return logged_in(mallory)


@pytest.fixture
def visitor() -> Client:
    return Client()
