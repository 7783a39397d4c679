"""Claim codes and proof of possession."""

from datetime import datetime, timedelta

import pytest
from nacl.signing import SigningKey

from devices import errors
from devices.models import ClaimCode, Device, DeviceKey
from devices.proof import ALPHABET, proof_message
from devices.services import enrol_device, issue_claim, issue_nonce, retire_device
from marketplace.accounts.models import User
from tests.builders_devices import add_waiting_device, enrol_with, make_signing_device

pytestmark = pytest.mark.django_db

KEY = SigningKey(bytes(range(32)))
PUBLIC_KEY = bytes(KEY.verify_key)


@pytest.fixture
def device(sara: User, now: datetime) -> Device:
    return add_waiting_device(sara, now)


@pytest.fixture
def code(device: Device, now: datetime) -> str:
    return issue_claim(device=device, at=now)


def assert_nothing_enrolled() -> None:
    assert not DeviceKey.objects.exists()
    assert not Device.objects.exclude(enrolled_at=None).exists()
    assert not ClaimCode.objects.exclude(used_at=None).exists()


def test_a_new_device_waits(device: Device) -> None:
    assert device.state == Device.State.WAITING


def test_a_code_is_easy_to_type_and_not_kept(code: str) -> None:
    assert len(code) == 9
    assert code[4] == "-"
    assert set(code.replace("-", "")) <= set(ALPHABET)
    assert code.replace("-", "").encode() not in bytes(ClaimCode.objects.get().code_hash)


def test_enrols_the_key(device: Device, code: str, now: datetime) -> None:
    enrolled = enrol_with(code, KEY, now)
    assert enrolled == device
    assert enrolled.state == Device.State.ENROLLED
    assert (enrolled.enrolled_at, enrolled.last_seen_at) == (now, now)
    assert bytes(DeviceKey.objects.get().public_key) == PUBLIC_KEY
    assert ClaimCode.objects.get().used_at == now


def test_reads_a_code_as_people_type_it(code: str, now: datetime) -> None:
    typed = f" {code.lower().replace('-', ' ').replace('0', 'o').replace('1', 'l')}"
    assert enrol_with(typed, KEY, now).state == Device.State.ENROLLED


def test_rejects_an_unknown_code(code: str, now: datetime) -> None:
    with pytest.raises(errors.ClaimUnknown):
        enrol_with("0000-0000", KEY, now)
    assert_nothing_enrolled()


def test_rejects_a_code_that_is_too_old(code: str, now: datetime) -> None:
    with pytest.raises(errors.ClaimExpired):
        enrol_with(code, KEY, now + timedelta(minutes=10))
    assert_nothing_enrolled()


def test_a_code_lives_almost_ten_minutes(code: str, now: datetime) -> None:
    assert enrol_with(code, KEY, now + timedelta(minutes=9, seconds=59)).enrolled_at


def test_rejects_a_code_twice(code: str, now: datetime) -> None:
    enrol_with(code, KEY, now)
    with pytest.raises(errors.ClaimUsed):
        enrol_with(code, SigningKey.generate(), now)
    assert DeviceKey.objects.count() == 1


def test_a_new_code_ends_the_older_one(device: Device, code: str, now: datetime) -> None:
    newer = issue_claim(device=device, at=now + timedelta(seconds=1))
    with pytest.raises(errors.ClaimExpired):
        enrol_with(code, KEY, now + timedelta(seconds=2))
    assert_nothing_enrolled()
    assert enrol_with(newer, KEY, now + timedelta(seconds=2)) == device


def test_no_code_for_an_enrolled_device(device: Device, code: str, now: datetime) -> None:
    enrol_with(code, KEY, now)
    with pytest.raises(errors.DeviceEnrolled):
        issue_claim(device=device, at=now)
    assert ClaimCode.objects.count() == 1


def test_rejects_a_key_of_another_device(sara: User, code: str, now: datetime) -> None:
    other = make_signing_device(sara, now)
    with pytest.raises(errors.KeyTaken):
        enrol_with(code, other.key, now)
    assert DeviceKey.objects.count() == 1
    assert enrol_with(code, KEY, now).enrolled_at


@pytest.mark.parametrize("what", ["key", "nonce", "code", "bytes", "length"])
def test_rejects_a_proof_that_does_not_fit(code: str, now: datetime, what: str) -> None:
    nonce = issue_nonce(code=code, at=now)
    signed = {
        "key": proof_message(nonce, code, bytes(SigningKey.generate().verify_key)),
        "nonce": proof_message(issue_nonce(code=code, at=now), code, PUBLIC_KEY),
        "code": proof_message(nonce, "0000-0000", PUBLIC_KEY),
        "bytes": nonce,
        "length": b"",
    }[what]
    proof = b"short" if what == "length" else KEY.sign(signed).signature
    with pytest.raises(errors.ProofInvalid):
        enrol_device(code=code, public_key=PUBLIC_KEY, proof=proof, nonce=nonce, at=now)
    assert_nothing_enrolled()


@pytest.mark.parametrize("what", ["late", "early", "other_code", "changed", "empty"])
def test_rejects_a_nonce_that_is_not_ours(code: str, now: datetime, what: str) -> None:
    nonce = {
        "late": issue_nonce(code=code, at=now - timedelta(seconds=602)),
        "early": issue_nonce(code=code, at=now + timedelta(seconds=60)),
        "other_code": issue_nonce(code="0000-0000", at=now),
        "changed": bytes(40),
        "empty": b"",
    }[what]
    proof = KEY.sign(proof_message(nonce, code, PUBLIC_KEY)).signature
    with pytest.raises(errors.NonceInvalid):
        enrol_device(code=code, public_key=PUBLIC_KEY, proof=proof, nonce=nonce, at=now)
    assert_nothing_enrolled()


@pytest.mark.parametrize("public_key", [b"", bytes(31), bytes(32), bytes(33)])
def test_rejects_what_is_no_key(code: str, now: datetime, public_key: bytes) -> None:
    nonce = issue_nonce(code=code, at=now)
    with pytest.raises(errors.ProofInvalid):
        enrol_device(code=code, public_key=public_key, proof=bytes(64), nonce=nonce, at=now)
    assert_nothing_enrolled()


def test_retires_for_good(device: Device, code: str, now: datetime) -> None:
    enrol_with(code, KEY, now)
    retired = retire_device(device=device, at=now)
    assert retired.state == Device.State.RETIRED
    assert DeviceKey.objects.get().retired_at == now
    with pytest.raises(errors.DeviceRetired):
        retire_device(device=device, at=now)


def test_does_not_retire_what_was_never_enrolled(device: Device, now: datetime) -> None:
    with pytest.raises(errors.DeviceNotEnrolled):
        retire_device(device=device, at=now)
    device.refresh_from_db()
    assert device.retired_at is None


def test_the_owner_sees_only_his_own(device: Device, sara: User, mallory: User) -> None:
    assert list(Device.objects.owned_by(sara)) == [device]
    assert not Device.objects.owned_by(mallory).exists()
