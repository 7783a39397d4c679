"""Taking a signed batch: it works, each refusal writes nothing, repeats are harmless."""

from datetime import datetime, timedelta
from typing import Any

import cbor2
import pytest
from nacl.signing import SigningKey

from devices import errors
from devices.batches import MAX_MEASURES
from devices.models import Batch, Device, Measure
from devices.services import accept_batch, retire_device
from tests.builders_devices import SigningDevice, records_of

pytestmark = pytest.mark.django_db


def one_reading(at: datetime, value: float = 21.5) -> list[dict[str, Any]]:
    return records_of([(at, "air_temperature", value, "Cel")])


def assert_refused(error: type[errors.DeviceError], envelope: bytes, at: datetime) -> errors.DeviceError:
    before = list(Batch.objects.values_list("pk")), list(Measure.objects.values_list("pk"))
    seen = list(Device.objects.values_list("last_seen_at", "last_sequence"))
    with pytest.raises(error) as refusal:
        accept_batch(envelope=envelope, at=at)
    assert type(refusal.value) is error
    assert before == (list(Batch.objects.values_list("pk")), list(Measure.objects.values_list("pk")))
    assert seen == list(Device.objects.values_list("last_seen_at", "last_sequence"))
    return refusal.value


@pytest.mark.parametrize("is_cbor", [False, True])
def test_keeps_the_signed_bytes_unchanged(station: SigningDevice, now: datetime, is_cbor: bool) -> None:
    envelope = station.sign(one_reading(now), at=now, is_cbor=is_cbor)
    receipt = accept_batch(envelope=envelope, at=now)
    batch = Batch.objects.get()
    assert batch.original_envelope == envelope
    assert (batch.sequence, batch.reading_count, batch.received_at) == (1, 1, now)
    assert batch.first_reading_at == batch.last_reading_at == now
    assert batch.resolved_at is None
    assert receipt.device_public_id == station.device.public_id
    assert (receipt.sequence, receipt.is_repeat, receipt.reading_count) == (1, False, 1)
    assert receipt.content_hash == bytes(batch.content_hash)


def test_shows_the_measures_at_once(station: SigningDevice, now: datetime) -> None:
    station.send([(now, "air_temperature", 1.0, "Cel"), (now, "humidity", 50.0, "%RH")], at=now)
    assert list(Measure.objects.values_list("name", "unit")) == [("air_temperature", "Cel"), ("humidity", "%")]


def test_one_statement_for_a_batch_of_a_remembered_sender(
    station: SigningDevice, now: datetime, django_assert_num_queries: Any
) -> None:
    station.send([(now, "air_temperature", 1.0, "Cel")], at=now)
    for statements in (2, 1, 1):
        envelope = station.sign(one_reading(now), at=now)
        with django_assert_num_queries(statements):
            accept_batch(envelope=envelope, at=now)


def test_what_is_remembered_of_a_sender_refuses_like_the_database(station: SigningDevice, now: datetime) -> None:
    """After two batches the sender is remembered; each refusal, repeat and new measure is as it was without."""

    def remember() -> bytes:
        envelopes = [station.sign(one_reading(now), at=now) for _ in range(2)]
        for envelope in envelopes:
            accept_batch(envelope=envelope, at=now)
        return envelopes[-1]

    late = now + timedelta(hours=3)
    last = remember()
    assert accept_batch(envelope=last, at=late).is_repeat
    remember()
    assert_refused(errors.SequenceConflict, station.sign(one_reading(now, 2.0), at=now, sequence=1), now)
    remember()
    new_measure = records_of([(now, "humidity", 50.0, "%RH")])
    assert_refused(errors.SequenceConflict, station.sign(new_measure, at=now, sequence=1), now)
    remember()
    other_unit = records_of([(now, "air_temperature", 280.0, "K")])
    assert_refused(errors.UnitChanged, station.sign(other_unit, at=now), now)
    remember()
    station.send([(now, "humidity", 50.0, "%RH")], at=now)
    remember()
    retire_device(device=station.device, at=now)
    assert_refused(errors.DeviceRetired, station.sign(one_reading(now), at=now), now)
    assert_refused(errors.DeviceRetired, station.sign(one_reading(now), at=now), late)


def test_a_new_measure_from_a_remembered_sender_that_was_retired_is_not_kept(
    station: SigningDevice, now: datetime
) -> None:
    for _ in range(2):
        station.send([(now, "air_temperature", 1.0, "Cel")], at=now)
    retire_device(device=station.device, at=now)
    new_measure = records_of([(now, "humidity", 50.0, "%RH")])
    assert_refused(errors.DeviceRetired, station.sign(new_measure, at=now), now)


def test_brings_the_device_up_to_date(station: SigningDevice, now: datetime) -> None:
    later = now + timedelta(seconds=5)
    station.send([(now, "air_temperature", 1.0, "Cel")], at=later)
    station.device.refresh_from_db()
    assert (station.device.last_seen_at, station.device.last_sequence) == (later, 1)


def test_a_repeat_is_harmless(station: SigningDevice, now: datetime) -> None:
    envelope = station.sign(one_reading(now), at=now)
    first = accept_batch(envelope=envelope, at=now)
    again = accept_batch(envelope=envelope, at=now + timedelta(hours=3))
    assert not first.is_repeat
    assert again.is_repeat
    assert (again.content_hash, again.reading_count) == (first.content_hash, first.reading_count)
    assert Batch.objects.count() == 1


def test_a_repeat_that_was_signed_anew_is_harmless(station: SigningDevice, now: datetime) -> None:
    envelope = station.sign(one_reading(now), at=now)
    accept_batch(envelope=envelope, at=now)
    later = now + timedelta(hours=3)
    assert accept_batch(envelope=station.sign(one_reading(now), at=later, sequence=1), at=later).is_repeat
    assert Batch.objects.get().original_envelope == envelope


def test_rejects_a_replay_with_other_content(station: SigningDevice, now: datetime) -> None:
    station.send([(now, "air_temperature", 1.0, "Cel")], at=now)
    assert_refused(errors.SequenceConflict, station.sign(one_reading(now, 2.0), at=now, sequence=1), now)


def test_rejects_a_changed_byte_anywhere(station: SigningDevice, now: datetime) -> None:
    envelope = station.sign(one_reading(now), at=now)
    for place in range(len(envelope)):
        changed = bytearray(envelope)
        changed[place] ^= 1
        with pytest.raises(
            (errors.EnvelopeMalformed, errors.SignatureInvalid, errors.KeyUnknown, errors.BatchTooLarge)
        ):
            accept_batch(envelope=bytes(changed), at=now)
    assert not Batch.objects.exists()


def test_rejects_the_signature_of_another_key(station: SigningDevice, now: datetime) -> None:
    forged = SigningDevice(station.device, SigningKey.generate())
    envelope = bytearray(station.sign(one_reading(now), at=now))
    envelope[-64:] = forged.key.sign(b"anything").signature
    assert_refused(errors.SignatureInvalid, bytes(envelope), now)


def test_rejects_an_issuer_that_is_not_the_key(station: SigningDevice, now: datetime) -> None:
    from devices.didkey import did_key
    from devices.envelope import signed_bytes

    outer = cbor2.loads(station.sign(one_reading(now), at=now))
    protected, _, payload, _ = outer.value
    header = cbor2.loads(protected)
    header[15][1] = did_key(bytes(SigningKey.generate().verify_key))
    changed = cbor2.dumps(header)
    signature = station.key.sign(signed_bytes(changed, payload)).signature
    envelope = cbor2.dumps(cbor2.CBORTag(18, [changed, {}, payload, signature]))
    assert_refused(errors.SignatureInvalid, envelope, now)


def test_rejects_an_unknown_key(station: SigningDevice, now: datetime) -> None:
    stranger = SigningDevice(station.device, SigningKey.generate())
    assert_refused(errors.KeyUnknown, stranger.sign(one_reading(now), at=now), now)


def test_rejects_a_retired_device(station: SigningDevice, now: datetime) -> None:
    retire_device(device=station.device, at=now)
    assert_refused(errors.DeviceRetired, station.sign(one_reading(now), at=now), now)


@pytest.mark.parametrize("seconds", [-301, 301])
def test_rejects_a_clock_that_is_far_off(station: SigningDevice, now: datetime, seconds: int) -> None:
    issued = now + timedelta(seconds=seconds)
    assert_refused(errors.ClockSkew, station.sign(one_reading(now - timedelta(hours=1)), at=issued), now)


@pytest.mark.parametrize("seconds", [-299, 299])
def test_takes_a_clock_that_is_a_little_off(station: SigningDevice, now: datetime, seconds: int) -> None:
    issued = now + timedelta(seconds=seconds)
    station.sequence = 0
    assert not accept_batch(envelope=station.sign(one_reading(now), at=issued), at=now).is_repeat


def test_rejects_a_batch_over_one_mebibyte(station: SigningDevice, now: datetime) -> None:
    assert_refused(errors.BatchTooLarge, station.sign(b" " * 1024 * 1024, at=now), now)


def test_rejects_more_than_10000_records(station: SigningDevice, now: datetime) -> None:
    records = [
        {"bn": "t", "bu": "K", "bt": now.timestamp() - 20_000, "v": 0},
        *({"t": i, "v": 1} for i in range(9_999)),
    ]
    accept_batch(envelope=station.sign(records, at=now), at=now)
    assert_refused(errors.TooManyReadings, station.sign([*records, {"v": 2}], at=now), now)


def test_rejects_a_unit_that_is_no_unit(station: SigningDevice, now: datetime) -> None:
    refusal = assert_refused(errors.UnitUnknown, station.sign([{"n": "a", "u": "bananas", "v": 1}], at=now), now)
    assert "bananas" in str(refusal)


def test_rejects_a_reading_from_the_future(station: SigningDevice, now: datetime) -> None:
    envelope = station.sign(one_reading(now + timedelta(seconds=301)), at=now)
    assert_refused(errors.ReadingInFuture, envelope, now)


def test_rejects_another_unit_for_a_known_measure(station: SigningDevice, now: datetime) -> None:
    station.send([(now, "air_temperature", 1.0, "Cel")], at=now)
    envelope = station.sign(records_of([(now, "air_temperature", 1.0, "K")]), at=now)
    assert_refused(errors.UnitChanged, envelope, now)


def test_rejects_more_measures_than_a_device_may_have(station: SigningDevice, now: datetime) -> None:
    station.send([(now, f"m{number}", 1.0, "K") for number in range(MAX_MEASURES)], at=now)
    envelope = station.sign(records_of([(now, "one_more", 1.0, "K")]), at=now)
    assert_refused(errors.TooManyMeasures, envelope, now)


def test_rejects_readings_on_too_many_days(station: SigningDevice, now: datetime) -> None:
    readings = [(now - timedelta(days=day), "t", 1.0, "K") for day in range(401)]
    assert_refused(errors.TooManyDays, station.sign(records_of(readings), at=now), now)
    assert station.send(readings[:400], at=now).reading_count == 400
