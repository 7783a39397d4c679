"""Everything that the official client can do with one purchase, until its token is revoked."""

import json
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from marketplace.access.clients import issue_client
from marketplace.access.models import AccessToken
from marketplace.access.services import revoke_token
from marketplace.accounts.models import User
from marketplace.delivery.models import Read
from marketplace.delivery.services import refresh_table
from marketplace.delivery.sharing.profile import client_profile
from tests.builders_delivery import day_start, make_stocked_listing, minutes
from tests.delivery.official import LIST, LOAD, Reader, reader_of

pytestmark = pytest.mark.django_db(transaction=True)


def test_lists_loads_in_every_way_and_is_refused_within_one_call(
    live_server: LiveServer, sara: User, ben: User, tmp_path: Path
) -> None:
    at = timezone.now()
    sender, listing = make_stocked_listing(sara, at, readings=minutes(day_start(at, 2), 120))
    reader = reader_of(listing, ben, at, live_server, tmp_path)
    second = at + timedelta(seconds=2)
    sender.send(minutes(day_start(at, 1), 30), second)
    assert refresh_table(listing=listing, at=second).version == 2

    assert json.loads(reader.run(LIST).stdout) == [
        [listing.share_name, "data", name] for name in ("readings", "evidence")
    ]
    whole = reader.load()
    assert len(whole["times"]) == 150
    assert len(reader.load(limit=7)["times"]) == 7
    assert len(reader.load(version=1)["times"]) == 120
    assert len(reader.load(timestamp=(at + timedelta(seconds=1)).isoformat())["times"]) == 120
    changes = reader.changes(starting_version=2)
    assert [(version, kind) for version, kind, *_ in changes] == [(2, "insert")] * 30
    assert Read.objects.count() == 5

    token = AccessToken.objects.get()
    _, made = issue_client(purchase=token.purchase, at=timezone.now())
    by_client = Reader(tmp_path / "client.share", reader.table)
    endpoints = {"endpoint": f"{live_server.url}/delta-sharing", "token_endpoint": f"{live_server.url}/oauth/token"}
    profile = client_profile(**endpoints, client_id=made.client_id, secret=made.secret)
    by_client.profile.write_text(json.dumps(profile))
    assert by_client.load() == whole

    revoke_token(token=token, at=timezone.now())
    before, started = Read.objects.count(), time.monotonic()
    refused = reader.run(LOAD, reader.table, "{}")
    assert refused.returncode != 0
    assert "401" in refused.stderr
    assert "revoked" in refused.stderr
    assert (Read.objects.count(), time.monotonic() - started < 30) == (before, True)
