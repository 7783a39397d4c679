"""What the market says of rows that it computed: recorded once, shown to the buyer, and held against his download."""

import json
from datetime import timedelta
from math import nextafter

import pytest
from django.utils import timezone

from devices.models import Batch
from devices.verify import main
from ledger.merkle import leaf_hash, root_hash
from ledger.models import Entry
from ledger.reconciliation import reconcile
from ledger.services import log_policy, sequence_batch
from marketplace.access.narrowing import Narrowing
from marketplace.access.services import issue_token
from marketplace.delivery.models import Derivation, Segment
from marketplace.delivery.services import refresh_table
from marketplace.delivery.tables.derivations import listings_to_state, state_derivations
from marketplace.delivery.tables.files import read_chunks
from tests.builders_delivery import bearer, minutes
from tests.delivery.test_evidence import HUMIDITY, TEMPERATURE, Shop

pytestmark = pytest.mark.django_db
FORMS = ("csv", "ndjson", "senml")


@pytest.fixture
def shop(sara, ben):
    """Fifteen-minute averages of two devices: eight rows."""
    shop = Shop(sara, ben, resolution="15min")
    state(shop)
    return shop


def state(shop):
    count = state_derivations(listing=shop.listing, at=timezone.now())
    sequence_batch(at=timezone.now())
    return count


def load(shop, client, name, text=""):
    response = client.get(f"/data/{shop.purchase.public_id}/{name}", headers=bearer(text or shop.text))
    assert response.status_code == 200, response.content
    return b"".join(response.streaming_content)


@pytest.fixture
def verify(tmp_path, capsys):
    def run(download, evidence):
        for name, content in {"d": download, "e": evidence, "p": log_policy().text().encode()}.items():
            (tmp_path / name).write_bytes(content)
        capsys.readouterr()
        code = main([str(tmp_path / "d"), str(tmp_path / "e"), "--policy", str(tmp_path / "p")])
        return code, capsys.readouterr().out

    return run


@pytest.mark.parametrize("form", FORMS)
def test_a_download_holds_what_was_stated(shop, client, verify, form):
    code, text = verify(load(shop, client, f"readings?format={form}"), load(shop, client, "evidence"))
    assert "PROVED      8 of 8 rows: what the market stated, to the last digit." in text
    # Nobody witnesses the log of this test.
    assert (code, "witnesses for the log's entry of a statement" in text) == (2, True), text
    assert "No device signed the rows." in text


def test_the_parquet_file_is_known_by_its_hash(shop, client, verify):
    evidence = load(shop, client, "evidence")
    segment = Segment.objects.get()
    whole = b"".join(read_chunks(segment.path, 0, segment.size))
    code, text = verify(whole, evidence)
    assert (code, "The Parquet file is the one of entry" in text) == (2, True), text
    code, text = verify(b"PAR1" + whole, evidence)
    assert (code, "is none of those that the statements name" in text) == (2, True)


def test_one_digit_more_is_named(shop, client, verify):
    lines = load(shop, client, "readings?format=csv").splitlines(keepends=True)
    time, device, value = lines[4].decode().split(",")
    lines[4] = f"{time},{device},{nextafter(float(value), 100)!r}\n".encode()
    code, text = verify(b"".join(lines), load(shop, client, "evidence"))
    assert code == 1
    assert "FAILED      Row 4 (line 5): device-2 at" in text
    assert "is not a row that a statement commits to." in text


def test_a_row_that_was_taken_out_is_missed(shop, client, verify):
    lines = load(shop, client, "readings?format=csv").splitlines(keepends=True)
    code, text = verify(b"".join([*lines[:3], *lines[4:]]), load(shop, client, "evidence"))
    assert (code, "Not in the file, and between rows that are: 1 stated row." in text) == (1, True)


def test_a_statement_says_what_went_in_and_what_came_out(shop):
    derivation = Derivation.objects.get()
    said = json.loads(derivation.statement)
    hashes = [bytes(batch.content_hash) for batch in Batch.objects.order_by("device__consentdevice__position")]
    assert (said["input_count"], said["input_root"]) == (2, root_hash(map(leaf_hash, hashes)).hex())
    segment = Segment.objects.get()
    assert (said["sha256"], said["row_count"]) == (bytes(segment.sha256).hex(), 8)
    assert (said["program"], said["resolution"]) == ("ownstream projection 1", "15min")
    assert TEMPERATURE not in derivation.statement


def test_it_is_said_once_and_row_and_entry_agree(shop):
    assert state(shop) == 0
    assert Entry.objects.filter(kind="delivery.derived").count() == 1
    assert listings_to_state() == []
    found = {each.kind: (each.rows, each.entries) for each in reconcile().differences}
    assert found["delivery.derived"] == ([], [])


def test_a_new_file_gets_a_statement_of_its_own(shop, client, verify):
    shop.senders[0].send(minutes(shop.start + timedelta(hours=2), 30), timezone.now())
    refresh_table(listing=shop.listing, at=timezone.now())
    assert listings_to_state() == [shop.listing.pk]
    assert state(shop) == 1
    assert Derivation.objects.count() == 2


def test_what_has_no_statement_yet_is_not_proven_and_not_bad(sara, ben, client, verify):
    shop = Shop(sara, ben, resolution="15min")
    evidence = load(shop, client, "evidence")
    assert json.loads(evidence.splitlines()[-1])["end"]["withheld"] == {"unstated": 1}
    code, text = verify(load(shop, client, "readings?format=csv"), evidence)
    assert (code, "Not all files of the table have their statement yet." in text) == (2, True)


def test_raw_rows_need_none(sara, ben):
    shop = Shop(sara, ben)
    assert (state(shop), listings_to_state()) == (0, [])


def test_a_file_whose_readings_have_changed_is_passed_over(sara, ben):
    shop = Shop(sara, ben, resolution="15min")
    shop.senders[0].send(minutes(shop.start + timedelta(minutes=10), 3), timezone.now())
    shop.senders[0].send(minutes(shop.start + timedelta(minutes=70), 3), timezone.now())
    assert state(shop) == 0
    refresh_table(listing=shop.listing, at=timezone.now())
    assert state(shop) == 1


def test_a_token_with_fewer_columns_is_told_so(sara, ben, client, verify):
    shop = Shop(sara, ben, resolution="15min", fields=[TEMPERATURE, HUMIDITY])
    state(shop)
    _, text = issue_token(purchase=shop.purchase, at=timezone.now(), narrowing=Narrowing(fields=(TEMPERATURE,)))
    evidence = load(shop, client, "evidence", text)
    code, said = verify(load(shop, client, "readings?format=csv", text), evidence)
    assert (code, "this token opens only some of their columns. The first row without proof: Row 1" in said) == (
        2,
        True,
    )
    assert b"row_hashes" not in evidence


def test_a_part_of_the_time_is_proven_without_the_rest(shop, client, verify):
    until = shop.start + timedelta(minutes=30)
    _, text = issue_token(purchase=shop.purchase, at=timezone.now(), narrowing=Narrowing(window_until=until))
    sequence_batch(at=timezone.now())
    evidence = load(shop, client, "evidence", text)
    code, said = verify(load(shop, client, "readings?format=csv", text), evidence)
    assert (code, "4 of 4 rows" in said) == (2, True), said
    assert len(json.loads(evidence.splitlines()[2])["row_hashes"]) < 200


@pytest.mark.parametrize("number", [1, 2])
def test_a_flipped_bit_in_statement_receipt_or_hash_is_found(shop, client, verify, number):
    download, lines = (
        load(shop, client, "readings?format=csv"),
        load(shop, client, "evidence").splitlines(keepends=True),
    )
    for at in range(5, len(lines[number]) - 5, 97):
        bad = lines[number][:at] + bytes([lines[number][at] ^ 1]) + lines[number][at + 1 :]
        code, text = verify(download, b"".join([*lines[:number], bad, *lines[number + 1 :]]))
        assert code in {1, 2}, text
        assert code == 1 or "8 of 8 rows" not in text or "Row 1 (line 2)" in text, text
