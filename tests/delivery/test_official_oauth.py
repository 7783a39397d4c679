"""The official Delta Sharing client with a profile of version 2: it fetches its tokens by itself."""

import json
from pathlib import Path

import pytest
from django.urls import reverse
from django.utils import timezone
from oauth2_provider.models import AccessToken as ShortToken
from pytest_django.live_server_helper import LiveServer

from marketplace.access.models import AccessToken
from marketplace.access.services import Narrowing, issue_client, revoke_token
from marketplace.delivery.models import Read
from marketplace.delivery.sharing.profile import client_profile
from tests.delivery.conftest import Bought
from tests.delivery.official import LOAD, Reader

pytestmark = pytest.mark.django_db(transaction=True)


def test_loads_with_an_oauth_profile_until_the_client_is_revoked(
    live_server: LiveServer, bought: Bought, tmp_path: Path
) -> None:
    token, made = issue_client(purchase=bought.token.purchase, at=bought.at, narrowing=Narrowing(row_cap=120))
    profile = tmp_path / "oauth.share"
    endpoint, token_endpoint = f"{live_server.url}/delta-sharing/", live_server.url + reverse("oauth_token")
    content = client_profile(
        endpoint=endpoint, token_endpoint=token_endpoint, client_id=made.client_id, secret=made.secret
    )
    profile.write_text(json.dumps(content))
    reader = Reader(profile, f"{bought.listing.share_name}.data.readings")
    for count in (1, 2):
        assert len(reader.load()["times"]) == 60
        assert Read.objects.filter(token=token).count() == count
    assert ShortToken.objects.count() == 2
    refused = reader.run(LOAD, reader.table, "{}")
    assert "403" in refused.stderr
    assert "number of rows" in refused.stderr
    revoke_token(token=AccessToken.objects.get(pk=token.pk), at=timezone.now())
    refused = reader.run(LOAD, reader.table, "{}")
    assert refused.returncode != 0
    assert "/oauth/token" in refused.stderr
