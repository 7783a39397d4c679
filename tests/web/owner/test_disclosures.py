"""An owner shows a third party whose record it is, and `python -m ledger.verify` believes it."""

import io
import json
import subprocess
import sys
import zipfile
from datetime import datetime
from pathlib import Path

import pytest
from django.conf import settings
from django.test import Client

from devices.models import Device, DeviceKey
from ledger.services import sequence_batch
from ledger.signing import log_verifier_keys
from marketplace.accounts.models import User
from marketplace.consents.models import Consent
from tests.builders import make_consent
from tests.conftest import PASSWORD
from tests.erasure.people import enrol
from tests.web.owner.conftest import logged_in

pytestmark = pytest.mark.django_db
SURE = {"understood": "on"}


@pytest.fixture
def device(sara: User, now: datetime) -> Device:
    return enrol(sara, now, "Roof").device


@pytest.fixture
def consent(sara: User, device: Device, now: datetime) -> Consent:
    from devices.models import Measure

    Measure.objects.create(device=device, name="air_temperature", unit="Cel")
    consent = make_consent(sara, now, devices=[device])
    sequence_batch(at=now)
    return consent


def surely(user: User) -> Client:
    """Logged in, with the password given again just now."""
    client = Client()
    client.force_login(user)
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return client


def unpack(content: bytes, folder: Path) -> dict[str, Path]:
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        file.extractall(folder)
    return {path.suffix: path for path in folder.iterdir()}


def verify(found: dict[str, Path], folder: Path) -> tuple[int, str]:
    policy = folder / "policy"
    policy.write_text("".join(f"log {key}\n" for key in log_verifier_keys()) + "quorum none\n")
    command = [sys.executable, "-m", "ledger.verify", str(found[".tlog-proof"]), "--policy", str(policy)]
    done = subprocess.run(
        [*command, "--disclosure", str(found[".json"])],
        cwd=settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(("chosen", "place"), [("owner", "owner"), ("device-1", "devices[0]")])
def test_a_consent_is_shown(sara: User, consent: Consent, tmp_path: Path, chosen: str, place: str) -> None:
    address = f"/consents/{consent.public_id}/disclosure/"
    client = surely(sara)
    page = client.get(address)
    assert "A proof for one entry alone does not exist" in page.text
    answer = client.post(address, {"subject": chosen, **SURE})
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/zip")
    assert "no-store" in answer["Cache-Control"]
    found = unpack(answer.content, tmp_path / "zip")
    code, said = verify(found, tmp_path)
    # Good, and not final: no witness is asked in tests.
    assert code == 2, said
    subject = sara.public_id if chosen == "owner" else consent.devices.get().public_id
    kind = "person" if chosen == "owner" else "device"
    assert f"The handle at {place} is the {kind} {subject}" in said


@pytest.mark.parametrize(("chosen", "place"), [("device", "refs[0]"), ("key", "key"), ("owner", "owner")])
def test_a_device_is_shown(sara: User, device: Device, now: datetime, tmp_path: Path, chosen: str, place: str) -> None:
    sequence_batch(at=now)
    answer = surely(sara).post(f"/devices/{device.public_id}/disclosure/", {"subject": chosen, **SURE})
    found = unpack(answer.content, tmp_path / "zip")
    code, said = verify(found, tmp_path)
    assert code == 2, said
    assert "The handle at " in said
    content = json.loads(found[".json"].read_text())
    key_id = bytes(DeviceKey.objects.get(device=device).key_id).hex()
    ids = {"device": str(device.public_id), "owner": str(sara.public_id)}
    assert content["subject_id"].replace("-", "") == ids.get(chosen, key_id).replace("-", "")


def test_the_key_of_somebody_else_shows_nothing(sara: User, ben: User, consent: Consent, tmp_path: Path) -> None:
    answer = surely(sara).post(f"/consents/{consent.public_id}/disclosure/", {"subject": "owner", **SURE})
    found = unpack(answer.content, tmp_path / "zip")
    content = json.loads(found[".json"].read_text()) | {"subject_id": str(ben.public_id)}
    found[".json"].write_text(json.dumps(content))
    code, said = verify(found, tmp_path)
    assert code == 1
    assert "does not occur in this entry" in said


@pytest.mark.parametrize("form", [{}, {"subject": "owner"}, SURE, {"subject": "device-2", **SURE}], ids=str)
def test_an_incomplete_form_shows_nothing(sara: User, consent: Consent, form: dict[str, str]) -> None:
    answer = surely(sara).post(f"/consents/{consent.public_id}/disclosure/", form)
    assert answer.status_code == 422
    assert answer["Content-Type"].startswith("text/html")


def test_a_stranger_finds_nothing(mallory: User, consent: Consent, device: Device) -> None:
    client = surely(mallory)
    for address in (f"/consents/{consent.public_id}/disclosure/", f"/devices/{device.public_id}/disclosure/"):
        assert client.get(address).status_code == 404
        assert client.post(address, {"subject": "owner", **SURE}).status_code == 404


def test_a_session_alone_is_not_enough(sara: User, consent: Consent) -> None:
    answer = logged_in(sara).post(f"/consents/{consent.public_id}/disclosure/", {"subject": "owner", **SURE})
    assert answer.headers["Location"].startswith("/accounts/reauthenticate/")


def test_a_record_that_waits_cannot_be_shown_yet(sara: User, device: Device) -> None:
    address = f"/devices/{device.public_id}/disclosure/"
    client = surely(sara)
    assert "not in the log yet" in client.get(address).text
    assert client.post(address, {"subject": "owner", **SURE}).status_code == 422
