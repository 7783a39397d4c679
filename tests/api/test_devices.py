"""What devices call over HTTP: answers, refusals as problem+json, limits."""

import io
import json
from base64 import b64decode, b64encode
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from nacl.signing import SigningKey

from devices.models import Batch, ClaimCode, Device, DeviceKey, Measure
from devices.proof import proof_message
from devices.services import issue_claim, retire_device
from ledger.models import OutboxRow
from marketplace.accounts.models import User
from tests.builders_devices import SigningDevice, add_waiting_device, make_signing_device, records_of

pytestmark = pytest.mark.django_db

NONCE, ENROL, BATCHES = "/api/devices/nonce", "/api/devices/enrol", "/api/devices/batches"


@pytest.fixture(autouse=True)
def _no_guesses() -> None:
    cache.clear()


@pytest.fixture
def station(sara: User) -> SigningDevice:
    return make_signing_device(sara, timezone.now())


@pytest.fixture
def device(sara: User) -> Device:
    return add_waiting_device(sara, timezone.now())


@pytest.fixture
def visitor() -> Client:
    """Devices have no cookie and no CSRF token."""
    return Client(enforce_csrf_checks=True)


def upload(client: Client, envelope: bytes, content_type: str = "application/cose") -> Any:
    # Named twice: the test client drops the content type of an empty body.
    return client.post(BATCHES, envelope, content_type=content_type, CONTENT_TYPE=content_type)


def one_reading(at: datetime, value: float = 1.0, unit: str = "Cel") -> list[dict[str, Any]]:
    return records_of([(at, "air_temperature", value, unit)])


def assert_problem(response: Any, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    problem = response.json()
    assert {"type", "title", "status", "detail", "code"} <= set(problem)
    assert (problem["status"], problem["code"]) == (status, code)
    assert problem["detail"]
    return problem


def enrolment(client: Client, code: str, key: SigningKey, **changes: str) -> Any:
    nonce = b64decode(client.post(NONCE, {"code": code}, content_type="application/json").json()["nonce"])
    public_key = bytes(key.verify_key)
    body = {
        "code": code,
        "public_key": b64encode(public_key).decode(),
        "nonce": b64encode(nonce).decode(),
        "proof": b64encode(key.sign(proof_message(nonce, code, public_key)).signature).decode(),
    }
    return client.post(ENROL, body | changes, content_type="application/json")


def test_enrols_and_records_it_in_the_ledger(visitor: Client, device: Device) -> None:
    code = issue_claim(device=device, at=timezone.now())
    response = enrolment(visitor, code, SigningKey.generate())
    assert response.status_code == 201
    assert response.json()["device"] == str(device.public_id)
    assert response.json()["issuer"].startswith("did:key:z6Mk")
    row = OutboxRow.objects.get()
    body = json.loads(bytes(row.body))
    assert (row.kind, row.key.hex) == ("device.enrolled", body["device"][:32])
    assert set(body) == {"v", "kind", "id", "at", "refs", "owner", "device", "key", "device_kind"}
    for secret in (str(device.public_id), str(device.owner.public_id), device.name, device.region):
        assert secret not in bytes(row.body).decode()


def test_a_refused_enrolment_writes_nothing(visitor: Client, device: Device) -> None:
    code = issue_claim(device=device, at=timezone.now())
    key = SigningKey.generate()
    stranger = b64encode(bytes(SigningKey.generate().verify_key)).decode()
    assert_problem(enrolment(visitor, code, key, public_key=stranger), 403, "proof_invalid")
    assert_problem(enrolment(visitor, code, key, nonce=b64encode(bytes(40)).decode()), 400, "nonce_invalid")
    assert_problem(enrolment(visitor, "0000-0000", key), 404, "claim_unknown")
    assert_problem(enrolment(visitor, code, key, proof="?"), 400, "request_malformed")
    ClaimCode.objects.update(expires_at=timezone.now())
    assert_problem(enrolment(visitor, code, key), 410, "claim_expired")
    assert not DeviceKey.objects.exists()
    assert not OutboxRow.objects.exists()


def test_a_code_works_once(visitor: Client, device: Device) -> None:
    code = issue_claim(device=device, at=timezone.now())
    assert enrolment(visitor, code, SigningKey.generate()).status_code == 201
    assert_problem(enrolment(visitor, code, SigningKey.generate()), 409, "claim_used")
    assert DeviceKey.objects.count() == OutboxRow.objects.count() == 1


def test_guessing_codes_is_stopped(visitor: Client, device: Device) -> None:
    code = issue_claim(device=device, at=timezone.now())
    for _ in range(10):
        assert_problem(enrolment(visitor, "0000-0000", SigningKey.generate()), 404, "claim_unknown")
    response = enrolment(visitor, code, SigningKey.generate())
    assert_problem(response, 429, "too_many_guesses")
    assert response["Retry-After"] == "600"
    assert not DeviceKey.objects.exists()


def test_one_that_guesses_codes_behind_the_proxy_stops_nobody_else(
    visitor: Client, device: Device, settings: Any
) -> None:
    settings.TRUSTED_PROXIES = 1
    code = issue_claim(device=device, at=timezone.now())
    visitor.defaults["HTTP_X_FORWARDED_FOR"] = "203.0.113.66"
    for _ in range(10):
        enrolment(visitor, "0000-0000", SigningKey.generate())
    assert_problem(enrolment(visitor, code, SigningKey.generate()), 429, "too_many_guesses")

    visitor.defaults["HTTP_X_FORWARDED_FOR"] = "203.0.113.66, 198.51.100.7"
    assert enrolment(visitor, code, SigningKey.generate()).status_code == 201


def test_takes_a_batch_and_its_repeat(visitor: Client, station: SigningDevice) -> None:
    now = timezone.now()
    envelope = station.sign(one_reading(now), at=now)
    first, again = upload(visitor, envelope), upload(visitor, envelope)
    assert (first.status_code, again.status_code) == (201, 200)
    expected = {"device": str(station.device.public_id), "sequence": 1, "reading_count": 1}
    assert expected.items() <= first.json().items()
    assert again.json() == first.json() | {"is_repeat": True}
    assert Batch.objects.get().original_envelope == envelope


def test_the_short_way_to_an_upload_is_as_safe(
    visitor: Client, station: SigningDevice, settings: Any, django_assert_num_queries: Any
) -> None:
    """It leaves out sessions and all that, but neither the redirect to HTTPS nor the headers."""
    envelope = station.sign(one_reading(timezone.now()), at=timezone.now())
    visitor.cookies["ownstream_session"] = "x" * 32
    response = upload(visitor, envelope)
    assert response.status_code == 201
    assert response["Content-Length"] == str(len(response.content))
    assert response["X-Content-Type-Options"] == "nosniff"
    assert not response.cookies
    with django_assert_num_queries(1):
        assert upload(visitor, envelope).status_code == 200

    settings.SECURE_SSL_REDIRECT = True
    assert upload(Client(), envelope).status_code == 301


def test_each_refusal_of_a_batch_has_its_code_and_writes_nothing(visitor: Client, station: SigningDevice) -> None:
    now = timezone.now()
    late = now - timedelta(seconds=400)
    good = station.sign(one_reading(now), at=now)
    stranger = SigningDevice(station.device, SigningKey.generate())
    refusals = [
        (good[:-1] + bytes([good[-1] ^ 1]), 403, "signature_invalid"),
        (stranger.sign(one_reading(now), at=now), 403, "key_unknown"),
        (station.sign(one_reading(late), at=late), 422, "clock_skew"),
        (b"not an envelope", 400, "envelope_malformed"),
        (b"", 400, "envelope_malformed"),
        (station.sign(b"[{", at=now), 400, "senml_malformed"),
        (station.sign(b"\x81", at=now, is_cbor=True), 400, "senml_malformed"),
        (station.sign([{"n": "a", "u": "K", "vs": "on"}], at=now), 422, "value_unsupported"),
        (station.sign(one_reading(now, unit="bananas"), at=now), 422, "unit_unknown"),
        (station.sign(one_reading(now + timedelta(hours=1)), at=now), 422, "reading_in_future"),
        (station.sign([{"n": "a", "u": "K", "v": 1}] * 10_001, at=now), 413, "too_many_readings"),
        (station.sign(b" " * 1024 * 1024, at=now), 413, "batch_too_large"),
    ]
    for envelope, status, code in refusals:
        assert_problem(upload(visitor, envelope), status, code)
    retire_device(device=station.device, at=now)
    assert_problem(upload(visitor, good), 403, "device_retired")
    assert not Batch.objects.exists()
    assert not Measure.objects.exists()


def test_a_replay_with_other_content_is_a_conflict(visitor: Client, station: SigningDevice) -> None:
    now = timezone.now()
    assert upload(visitor, station.sign(one_reading(now), at=now)).status_code == 201
    changed = station.sign(one_reading(now, 2.0), at=now, sequence=1)
    assert_problem(upload(visitor, changed), 409, "sequence_conflict")
    assert Batch.objects.count() == 1


def test_more_batches_than_a_device_may_send_are_put_off(
    visitor: Client, station: SigningDevice, settings: Any
) -> None:
    settings.DEVICE_BATCHES_A_MINUTE = 0
    now = timezone.now()
    response = upload(visitor, station.sign(one_reading(now), at=now))
    assert_problem(response, 429, "too_many_batches")
    assert 1 <= int(response["Retry-After"]) <= 60
    assert not Batch.objects.exists()


@pytest.mark.parametrize("path", [NONCE, ENROL, BATCHES])
def test_only_post_is_taken(visitor: Client, path: str) -> None:
    for method in (visitor.get, visitor.put, visitor.delete, visitor.patch, visitor.options):
        response = method(path)
        assert_problem(response, 405, "method_not_allowed")
        assert response["Allow"] == "POST"


@pytest.mark.parametrize("path", [NONCE, ENROL, BATCHES])
def test_other_content_types_are_refused(visitor: Client, path: str) -> None:
    for content_type in ("text/plain", "multipart/form-data; boundary=x", ""):
        assert_problem(visitor.post(path, b"x", content_type=content_type), 415, "media_type_unsupported")


class Counted(io.BytesIO):
    largest = 0

    def read(self, size: int | None = -1, /) -> bytes:
        chunk = super().read(size)
        self.largest = max(self.largest, len(chunk))
        return chunk


@pytest.mark.parametrize(("size", "largest"), [(5 * 1024 * 1024, 64 * 1024), (17 * 1024 * 1024, 0)])
def test_never_holds_more_than_a_batch_may_have(visitor: Client, size: int, largest: int) -> None:
    body = Counted(bytes(size))
    extra: Any = {"wsgi.input": body, "CONTENT_LENGTH": str(size), "CONTENT_TYPE": "application/cose"}
    assert_problem(visitor.generic("POST", BATCHES, **extra), 413, "batch_too_large")
    assert body.largest == largest
    assert_problem(visitor.post(NONCE, b" " * 5000, content_type="application/json"), 413, "body_too_large")


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"code":5}', b'{"code":"A","more":1}', b"\xff", b"[" * 4000])
def test_refuses_json_that_is_not_asked_for(visitor: Client, body: bytes) -> None:
    for path in (NONCE, ENROL):
        assert_problem(visitor.post(path, body, content_type="application/json"), 400, "request_malformed")


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(noise=st.binary(max_size=200), is_cbor=st.booleans(), is_signed=st.booleans())
def test_no_bytes_cause_a_server_error(
    visitor: Client, station: SigningDevice, noise: bytes, is_cbor: bool, is_signed: bool
) -> None:
    envelope = station.sign(noise, at=timezone.now(), is_cbor=is_cbor) if is_signed else noise
    assert 400 <= upload(visitor, envelope).status_code < 500
    assert not Batch.objects.exists()
