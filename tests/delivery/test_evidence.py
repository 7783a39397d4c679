"""The devices' envelopes of what was bought: what is given, what is held back, and that they prove the rows."""

import json
from datetime import timedelta

import cbor2
import pytest
from django.utils import timezone
from nacl.signing import SigningKey

from devices.envelope import SENML_JSON, sign_envelope
from devices.models import Batch
from devices.proof import proof_message
from devices.services import accept_batch, add_device, issue_claim, issue_nonce, resolve_batches
from devices.verify import main
from ledger.disclosures import Disclosure
from ledger.models import CommitmentSecret
from ledger.receipts import Receipt
from ledger.services import log_policy
from marketplace.access.services import authorise
from marketplace.accounts.services import enrol_owned_device
from marketplace.delivery.errors import NoEvidence
from marketplace.delivery.evidence.door import proof_address
from marketplace.delivery.evidence.finding import evidence_for, find_evidence
from marketplace.delivery.models import Read
from marketplace.delivery.services import refresh_table
from marketplace.listings.entries import PlanTerms
from tests.builders import EURO, make_consent, make_listing
from tests.builders_delivery import FREE, SigningDevice, bearer, buy_token, day_start, minutes
from tests.builders_money import fill_wallet
from tests.builders_origin import csv_of

pytestmark = pytest.mark.django_db
TEMPERATURE, HUMIDITY = "air_temperature", "humidity"


def make_recorded_device(owner, at, name="Roof"):
    """Enrolled as on the site, with its entry in the log."""
    device = add_device(owner=owner, name=name, kind="weather_station", country="DE", region="Berlin", at=at)
    code = issue_claim(device=device, at=at)
    key, nonce = SigningKey.generate(), issue_nonce(code=code, at=at)
    public_key = bytes(key.verify_key)
    proof = key.sign(proof_message(nonce, code, public_key)).signature
    return SigningDevice(enrol_owned_device(code=code, public_key=public_key, proof=proof, nonce=nonce, at=at), key)


class Shop:
    """Sara's two devices, and what ben bought of them, in real time, because the doors read the clock."""

    def __init__(self, sara, ben, *, plans=(FREE,), **terms):
        self.at = timezone.now()
        self.start = day_start(self.at, 1) + timedelta(hours=10)
        self.senders = [make_recorded_device(sara, self.at, name) for name in ("Roof", "Pier")]
        for sender in self.senders:
            sender.send(
                [row for name in terms.get("fields", [TEMPERATURE]) for row in minutes(self.start, 60, name)], self.at
            )
        self.consent = make_consent(sara, self.at, devices=[one.device for one in self.senders], **terms)
        self.listing = make_listing(sara, self.at, consent=self.consent, plans=plans)
        self.token, self.text = buy_token(self.listing, ben, self.at)
        self.purchase = self.token.purchase
        self.address = f"/data/{self.purchase.public_id}/evidence"

    @property
    def grant(self):
        return authorise(token=self.text, at=timezone.now())

    def lines(self, client, address=""):
        response = client.get(address or self.address, headers=bearer(self.text))
        assert response.status_code == 200, response.content
        return b"".join(response.streaming_content).splitlines(keepends=True)


@pytest.fixture
def shop(sara, ben):
    return Shop(sara, ben)


def rows_of(start, count, devices=2):
    return [
        {"time": time.isoformat().replace("+00:00", "Z"), "device": f"device-{device}", name: value}
        for time, name, value in minutes(start, count)
        for device in range(1, devices + 1)
    ]


def verify(tmp_path, capsys, rows, evidence):
    paths = [tmp_path / name for name in ("download.csv", "evidence.jsonl", "policy")]
    contents = [csv_of(rows), b"".join(evidence), log_policy().text().encode()]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    capsys.readouterr()
    code = main([str(paths[0]), str(paths[1]), "--policy", str(paths[2])])
    return code, capsys.readouterr().out


def test_the_buyers_program_takes_what_the_door_gives(shop, client, tmp_path, capsys):
    evidence = shop.lines(client)
    code, text = verify(tmp_path, capsys, rows_of(shop.start, 60), evidence)
    assert "PROVED      120 of 120 rows: what the devices signed, to the last digit." in text
    # The log under test has no witnesses, so its entries are signed and never final.
    assert (code, "witnesses for the log's entry of a key" in text) == (2, True)
    header = json.loads(evidence[0])
    assert header["columns"] == [{"name": TEMPERATURE, "field": TEMPERATURE, "unit": "Cel"}]
    assert (header["purchase"], header["resolution"]) == (str(shop.purchase.public_id), "raw")


def test_what_was_kept_is_given_byte_for_byte(shop):
    given = list(evidence_for(shop.grant, shop.at))
    assert [(one.device, one.sequence) for one in given] == [("device-1", 1), ("device-2", 1)]
    for one, sender in zip(given, shop.senders, strict=True):
        batch = Batch.objects.get(device=sender.device)
        assert one.envelope == batch.original_envelope
        assert one.public_key == bytes(sender.key.verify_key)
        assert (one.received_at, one.replaced) == (batch.received_at, ())


def test_the_log_tells_of_the_key_and_of_no_other_subject(shop, client, sara):
    key = json.loads(shop.lines(client)[1])
    disclosure, receipt = Disclosure.parse(key["disclosure"].encode()), Receipt.parse(key["receipt"])
    assert disclosure.subject_kind == "device_key"
    entry = json.loads(receipt.extra)
    assert (entry["kind"], entry["key"]) == ("device.enrolled", disclosure.handle)
    others = CommitmentSecret.objects.exclude(subject_kind="device_key").values_list("secret", flat=True)
    whole = b"".join(shop.lines(client))
    assert not any(bytes(secret).hex().encode() in whole for secret in others)
    assert sara.email.encode() not in whole
    assert str(shop.senders[0].device.public_id).encode() not in whole


def test_an_envelope_that_shows_more_than_was_bought_is_held_back(shop, client):
    at, (roof, pier) = timezone.now(), shop.senders
    roof.send([*minutes(shop.start, 3, HUMIDITY), *minutes(shop.start + timedelta(hours=2), 3)], at)
    late = day_start(at) + timedelta(days=1)
    pier.send([*minutes(shop.start + timedelta(hours=2), 2), (at + timedelta(minutes=4), TEMPERATURE, 1.0)], at)
    extra = {"n": TEMPERATURE, "u": "Cel", "v": 1.0, "t": shop.start.timestamp(), "owner": "sara"}
    accept_batch(envelope=sign_records(roof, [extra], at), at=at)
    accept_batch(envelope=sign_records(pier, [extra], at, is_cbor=True), at=at)
    assert late > at
    refresh_table(listing=shop.listing, at=at)
    evidence = find_evidence(shop.grant, at)
    assert evidence.withheld == {"fields": 1, "more": 2, "window": 1}
    assert evidence.row_count == 120
    assert json.loads(shop.lines(client)[-1]) == {"end": {"envelopes": 2, "withheld": evidence.withheld}}


def sign_records(sender, records, at, *, is_cbor=False):
    sender.sequence += 1
    labels = {"n": 0, "u": 1, "v": 2, "t": 6}
    relabelled = [{labels.get(name, name): value for name, value in record.items()} for record in records]
    return sign_envelope(
        key=sender.key,
        content_type="application/senml+cbor" if is_cbor else SENML_JSON,
        payload=cbor2.dumps(relabelled) if is_cbor else json.dumps(records).encode(),
        issued_at=int(at.timestamp()),
        sequence=sender.sequence,
    )


def test_what_is_not_due_yet_is_held_back(sara, ben):
    shop = Shop(sara, ben, delay_seconds=7200)
    roof = shop.senders[0]
    roof.send([(shop.at - timedelta(minutes=1), TEMPERATURE, 1.0)], shop.at)
    assert find_evidence(shop.grant, shop.at).withheld == {"delay": 1}


def test_a_reading_that_was_replaced_does_not_count(shop, client, tmp_path, capsys):
    """By an envelope that is given, and by one that is held back."""
    at, (roof, pier) = timezone.now(), shop.senders
    roof.send([(shop.start, TEMPERATURE, 1.5)], at)
    pier.send([(shop.start, TEMPERATURE, 2.5), (shop.start, HUMIDITY, 50.0)], at)
    assert [one.replaced for one in evidence_for(shop.grant, at)] == [(0,), (), (0,)]
    refresh_table(listing=shop.listing, at=timezone.now())
    rows = rows_of(shop.start, 60)
    rows[0][TEMPERATURE], rows[1][TEMPERATURE] = 1.5, 2.5
    code, text = verify(tmp_path, capsys, rows, shop.lines(client))
    assert code == 2
    assert "PROVED      119 of 120 rows:" in text
    assert "NOT PROVED  Without evidence: 1 row, the first: Row 2 (line 3): device-2" in text


def test_an_envelope_of_two_owners_is_given_by_neither(shop, ben):
    roof = shop.senders[0]
    Batch.objects.filter(device=roof.device).update(envelope=b"", envelope_size=0)
    assert find_evidence(shop.grant, shop.at).withheld == {"shared": 1}


def test_a_key_that_was_erased_from_the_log_says_so(shop, client, tmp_path, capsys):
    CommitmentSecret.objects.filter(subject_kind="device_key").delete()
    evidence = shop.lines(client)
    assert "deleted with an account" in json.loads(evidence[1])["lacking"]
    code, text = verify(tmp_path, capsys, rows_of(shop.start, 60), evidence)
    assert (code, "NOT PROVED  Without evidence: 120 rows" in text) == (2, True)


def test_what_was_computed_has_no_envelopes(sara, ben):
    shop = Shop(sara, ben, resolution="1h")
    with pytest.raises(NoEvidence):
        find_evidence(shop.grant, shop.at)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer osm_" + "x" * 43}])
def test_a_stranger_gets_nothing(shop, client, headers):
    assert client.get(shop.address, headers=headers).status_code == 401
    assert not Read.objects.exists()


def test_the_token_of_another_purchase_finds_nothing(shop, client, mallory):
    _, text = buy_token(shop.listing, mallory, shop.at)
    assert client.get(shop.address, headers=bearer(text)).status_code == 404
    assert client.get(shop.address + "?of=x", headers=bearer(shop.text)).status_code == 403
    assert client.post(shop.address, headers=bearer(shop.text)).status_code == 405
    assert not Read.objects.exists()


def test_a_download_and_its_evidence_are_charged_once(sara, ben, client):
    fill_wallet(ben, 50, timezone.now())
    shop = Shop(sara, ben, plans=(PlanTerms("metered", micros_per_1000_rows=EURO),))
    month = shop.purchase.usage_months.get()
    address = proof_address(shop.grant, start=None, until=None, at=timezone.now())
    given = json.loads(shop.lines(client, address)[-1])["end"]["envelopes"]
    month.refresh_from_db()
    assert (given, month.row_count) == (2, 0)
    shop.lines(client)
    month.refresh_from_db()
    assert month.row_count == 120


def test_evidence_that_is_not_paid_for_is_not_given(sara, ben, client):
    shop = Shop(sara, ben, plans=(PlanTerms("trial", trial_rows=100),))
    # The newest 100 rows are open, and the envelopes hold more than these.
    assert json.loads(shop.lines(client)[-1])["end"] == {"envelopes": 0, "withheld": {"window": 2}}


def test_the_evidence_of_a_download_is_of_its_rows_and_of_its_moment(shop, client):
    asked_at = timezone.now()
    shop.senders[0].send(minutes(shop.start + timedelta(hours=3), 5), timezone.now())
    resolve_batches(device=shop.senders[0].device, at=timezone.now())
    # Resolved, and in no table that anybody was given.
    assert json.loads(shop.lines(client)[-1])["end"]["envelopes"] == 2
    refresh_table(listing=shop.listing, at=timezone.now())
    whole = proof_address(shop.grant, start=None, until=None, at=asked_at)
    assert json.loads(shop.lines(client, whole)[-1])["end"]["envelopes"] == 2
    assert json.loads(shop.lines(client)[-1])["end"]["envelopes"] == 3
    assert list(Read.objects.order_by("pk").values_list("row_count", flat=True)) == [120, 0, 125]
    part = proof_address(shop.grant, start=shop.start + timedelta(minutes=1), until=None, at=asked_at)
    assert json.loads(shop.lines(client, part)[-1])["end"] == {"envelopes": 0, "withheld": {"window": 2}}
