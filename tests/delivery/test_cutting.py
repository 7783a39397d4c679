"""A withdrawal cuts what is under way: a file that is being read, and a table that is being made."""

import http.client
import json
import os
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from functools import partial
from itertools import islice
from time import monotonic
from urllib.parse import urlsplit

import polars
import pytest
from django.core.files.storage import default_storage
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from marketplace.accounts.models import User
from marketplace.consents.models import Consent
from marketplace.consents.services import Terms
from marketplace.delivery.models import DeliveryTable, Segment
from marketplace.delivery.services import narrow_and_rebuild, refresh_table
from marketplace.delivery.tables import refresh
from marketplace.delivery.tables.files import WrittenFile, write_rows
from marketplace.delivery.tasks import refresh_table_task
from marketplace.handovers.services import accept_device, offer_device
from marketplace.purchases.services import withdraw_consent_with_refunds, withdraw_listing_with_refunds
from tests.builders_delivery import make_stocked_listing
from tests.builders_money import at_once
from tests.delivery.conftest import Bought

pytestmark = pytest.mark.django_db(transaction=True)

MEBIBYTE = 1024 * 1024
# More than the buffers of two sockets and of both programs take together.
FILE_BYTES = 96 * MEBIBYTE
SECONDS = 5


@pytest.fixture
def open_link(live_server: LiveServer, bought: Bought) -> partial[http.client.HTTPResponse]:
    """Ask for the one file of what ben bought, which is made long enough to be under way for a while."""
    address = f"{bought.table}/query"
    with closing(http.client.HTTPConnection(urlsplit(live_server.url).netloc)) as asking:
        asking.request("POST", address, b"{}", {**bought.headers, "Content-Type": "application/json"})
        lines = asking.getresponse().read().splitlines()
    link = json.loads(lines[2])["file"]["url"]
    segment = Segment.objects.get()
    with default_storage.open(segment.path, "wb") as file:
        for _ in range(FILE_BYTES // MEBIBYTE):
            file.write(os.urandom(MEBIBYTE))
    Segment.objects.update(size=FILE_BYTES)
    return partial(request_file, link)


def request_file(link: str) -> http.client.HTTPResponse:
    parts = urlsplit(link)
    asking = http.client.HTTPConnection(parts.netloc, timeout=30)
    # The web server of the product ends the connection after a body that is too short; that of the tests must be asked.
    asking.request("GET", f"{parts.path}?{parts.query}", headers={"Connection": "close"})
    return asking.getresponse()


def read_slowly(answer: http.client.HTTPResponse, until: threading.Event) -> Iterator[int]:
    """Yield the sizes of what arrives, a mebibyte in a tenth of a second, and after `until` as fast as it comes."""
    while chunk := answer.read(MEBIBYTE):
        yield len(chunk)
        until.wait(0.1)


def narrow(bought: Bought, ben: User) -> None:
    consent = bought.listing.consent
    terms = Terms.of(consent)
    coarser = Terms(terms.fields, terms.purposes, "1h", terms.delay_seconds, terms.valid_until)
    narrow_and_rebuild(consent=consent, terms=coarser, at=timezone.now())


def hand_over(bought: Bought, ben: User) -> None:
    device, at = bought.sender.device, timezone.now()
    _, code = offer_device(device=device, email=ben.email, at=at)
    accept_device(user=ben, code=code, name="Roof", country="", region="", at=at)


ENDS = {
    "consent": lambda bought, _: withdraw_consent_with_refunds(consent=bought.listing.consent, at=timezone.now()),
    "listing": lambda bought, _: withdraw_listing_with_refunds(listing=bought.listing, at=timezone.now()),
    "narrowing": narrow,
    "handover": hand_over,
}


@pytest.mark.parametrize("end", ENDS)
def test_a_file_on_its_way_stops_within_seconds(
    open_link: partial[http.client.HTTPResponse], bought: Bought, ben: User, end: str
) -> None:
    answer = open_link()
    assert answer.status == 200
    is_over = threading.Event()
    arrived = 0
    ended_at = None
    with closing(answer):
        try:
            for size in read_slowly(answer, is_over):
                arrived += size
                if ended_at is None and arrived >= 12 * MEBIBYTE:
                    ENDS[end](bought, ben)
                    ended_at = monotonic()
        except (http.client.IncompleteRead, ConnectionError):
            pass
    assert ended_at is not None
    assert monotonic() - ended_at < SECONDS
    assert 12 * MEBIBYTE <= arrived < FILE_BYTES
    refused = open_link()
    assert refused.status in {403, 404}
    refused.close()


def test_nothing_cuts_a_file_that_may_be_read(open_link: partial[http.client.HTTPResponse]) -> None:
    answer, is_over = open_link(), threading.Event()
    with closing(answer):
        first = sum(islice(read_slowly(answer, is_over), 15))
        is_over.set()
        assert first + len(answer.read()) == FILE_BYTES


@pytest.mark.parametrize("end", ["consent", "listing", "handover"])
def test_a_table_that_is_being_made_is_left_as_it_was(
    bought: Bought, ben: User, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The withdrawal is committed between the making of the file and the moment at which it would be put in place."""
    before = DeliveryTable.objects.get()
    at = timezone.now()
    bought.sender.send([(at - timedelta(days=2), "air_temperature", 1.0)], at)
    is_written, is_withdrawn = threading.Event(), threading.Event()
    written: list[str] = []

    def write_and_wait(rows: polars.DataFrame) -> WrittenFile:
        file = write_rows(rows)
        written.append(file.path)
        is_written.set()
        assert is_withdrawn.wait(30)
        return file

    def withdraw() -> None:
        assert is_written.wait(30)
        ENDS[end](bought, ben)
        is_withdrawn.set()

    monkeypatch.setattr(refresh, "write_rows", write_and_wait)
    answers = at_once([lambda: refresh_table(listing=bought.listing, at=at), withdraw])
    assert not [answer for answer in answers if isinstance(answer, Exception)]
    after = DeliveryTable.objects.get()
    assert (after.version, after.source_stamp, after.refreshed_at) == (
        before.version,
        before.source_stamp,
        before.refreshed_at,
    )
    assert len(written) == 1
    assert not default_storage.exists(written[0])


@pytest.mark.parametrize("end", ["consent", "listing", "handover"])
def test_a_job_that_waited_does_nothing(bought: Bought, ben: User, end: str) -> None:
    at = timezone.now()
    bought.sender.send([(at - timedelta(days=2), "air_temperature", 1.0)], at)
    ENDS[end](bought, ben)
    before = list(DeliveryTable.objects.values()), list(Segment.objects.values_list("pk"))
    refresh_table_task(bought.listing.pk)
    assert (list(DeliveryTable.objects.values()), list(Segment.objects.values_list("pk"))) == before


def test_other_tables_of_the_device_go_on(bought: Bought, sara: User, mallory: User) -> None:
    _, other = make_stocked_listing(sara, timezone.now())
    withdraw_consent_with_refunds(consent=bought.listing.consent, at=timezone.now())
    refresh_table_task(other.pk)
    assert DeliveryTable.objects.get(listing=other).version == 1
    assert Consent.objects.filter(withdrawn_at=None).count() == 1
