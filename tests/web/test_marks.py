"""Marks of pages that were not made here lead to the first page."""

import base64

import pytest

pytestmark = pytest.mark.django_db
INSTANTS = [
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2026-01-01T00:00:00+23:59:59.999999",
    "0001-01-01T00:00:00+23:59",
]


@pytest.mark.parametrize("instant", INSTANTS)
@pytest.mark.parametrize("path", ["/my/access/", "/sales/reads/", "/my/listings/"])
def test_no_instant_breaks_a_page(client, sara, path, instant):
    client.force_login(sara)
    mark = base64.urlsafe_b64encode(f"{instant}|{'0' * 32}".encode()).decode().rstrip("=")
    assert client.get(path, {"from": mark}).status_code == 200
