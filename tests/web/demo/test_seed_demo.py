"""The demo market: every state is there, it is true to the product's own rules, and a second run changes nothing."""

from __future__ import annotations

import json
import stat
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from devices.models import Batch, Device
from ledger.freezing import freeze_log
from ledger.models import Entry, OutboxRow
from ledger.services import verify_log
from marketplace.accounts.models import BillingProfile, User
from marketplace.accounts.ownership import retire_owned_device
from marketplace.consents.models import Consent, ConsentChange
from marketplace.delivery.models import Read
from marketplace.errors import MarketError
from marketplace.listings.models import Listing, Plan
from marketplace.purchases.models import BooksCheck, Purchase
from marketplace.purchases.services import buy_listing, withdraw_consent_with_refunds
from marketplace.wallet.gateway.models import CardRefund, Payout
from marketplace.web.demo import building
from marketplace.web.demo.script import DEVICES
from marketplace.web.demo.trading import drain_outbox
from marketplace.web.management.commands import seed_demo
from tests.builders_ledger import submit
from tests.web.metadata.checks import check_all

pytestmark = pytest.mark.django_db


@pytest.fixture
def var_dir(settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Everything the seed writes goes here. A day between samples keeps the test short; the command stays the same."""
    settings.VAR_DIR = tmp_path
    settings.MEDIA_ROOT = tmp_path / "files"
    sparse = [replace(device, every_minutes=180) for device in DEVICES]
    monkeypatch.setattr(seed_demo, "DEVICES", sparse)
    return tmp_path


def counts() -> dict[str, int]:
    models = (User, Device, Batch, Consent, Listing, Purchase, Entry, Read, ConsentChange, Payout, BillingProfile)
    return {model.__name__: model.objects.count() for model in models}


def assert_every_state_is_there() -> None:
    now = timezone.now()
    assert {device.kind for device in Device.objects.all()} == {
        "weather_station",
        "smart_meter",
        "air_quality",
        "charging_point",
    }
    assert Listing.objects.live_at(now).count() == 7
    assert Listing.objects.filter(published_at=None).count() == 1
    assert Listing.objects.filter(withdrawn_at__isnull=False).count() == 1
    assert Consent.objects.filter(withdrawn_at__isnull=False).count() == 1
    assert Consent.objects.filter(valid_until__lt=now).count() == 1
    assert list(ConsentChange.objects.values_list("consent__listings__title", flat=True)) == [
        "Ring road against school yard"
    ]
    assert sorted(Payout.objects.values_list("state", flat=True)) == ["paid", "sent"]
    assert CardRefund.objects.get().state == "paid"
    assert BillingProfile.objects.count() == 2
    assert BooksCheck.objects.latest("pk").finding_count == 0


def assert_nobody_read_after_a_withdrawal() -> None:
    for read in Read.objects.select_related("purchase__listing__consent"):
        assert read.row_count > 0
        assert read.at >= read.purchase.purchased_at
        assert read.at < (read.purchase.listing.consent.withdrawn_at or timezone.now())


def assert_a_device_sent_all_its_batches() -> None:
    batches = list(Batch.objects.filter(device__name="Pier end").order_by("sequence"))
    assert [batch.sequence for batch in batches] == list(range(1, len(batches) + 1))
    assert batches[-1].received_at + building.BATCH_SPAN > timezone.now()


def test_builds_a_true_market_and_only_once(var_dir: Path, client: Client):
    call_command("seed_demo")
    first = counts()
    assert (first["Device"], first["User"]) == (12, 8)
    assert_every_state_is_there()
    assert_nobody_read_after_a_withdrawal()
    assert_a_device_sent_all_its_batches()
    for listing in Listing.objects.live_at(timezone.now()):
        check_all(client, listing, var_dir)
    assert verify_log().is_good
    assert not OutboxRow.objects.exists()

    call_command("seed_demo")

    assert counts() == first


def test_a_run_that_was_cut_short_is_completed(var_dir: Path, monkeypatch: pytest.MonkeyPatch):
    with monkeypatch.context() as patched:
        patched.setattr(seed_demo, "release_earnings", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            call_command("seed_demo")
    begun = counts()

    call_command("seed_demo")

    assert counts() == {**begun, "Entry": Entry.objects.count(), "Payout": 2}
    assert (var_dir / "demo.filled").exists()
    assert not OutboxRow.objects.exists()


def test_what_people_did_since_then_is_left_alone(var_dir: Path):
    call_command("seed_demo")
    now = timezone.now()
    planner = User.objects.get(email="planner@demo.example")
    for plan in Plan.objects.public().filter(listing__in=Listing.objects.for_sale_to(planner, now)):
        with suppress(MarketError):
            buy_listing(listing=plan.listing, plan=plan, buyer=planner, quoted_micros=plan.price_micros, at=now)
    retire_owned_device(device=Device.objects.get(name="Pier end"), at=now)
    withdraw_consent_with_refunds(consent=Consent.objects.active_at(now)[0], at=now)
    drain_outbox(now)
    left = counts()

    call_command("seed_demo")

    assert counts() == left


def test_writes_the_log_ins_and_a_profile_that_works(var_dir: Path):
    call_command("seed_demo")
    for name in ("demo.json", "demo.share"):
        assert stat.S_IMODE((var_dir / name).stat().st_mode) == 0o600
    people = json.loads((var_dir / "demo.json").read_text())["people"]
    buyer = User.objects.get(email="buyer@demo.example")
    assert buyer.check_password(next(row["password"] for row in people if row["email"] == buyer.email))
    profile = json.loads((var_dir / "demo.share").read_text())
    shares = APIClient().get("/delta-sharing/shares", HTTP_AUTHORIZATION=f"Bearer {profile['bearerToken']}")
    assert len(shares.json()["items"]) == 1

    call_command("seed_demo")

    assert json.loads((var_dir / "demo.share").read_text()) == profile


def test_production_is_refused(settings):
    settings.IS_PRODUCTION = True
    with pytest.raises(CommandError, match="this is production"):
        call_command("seed_demo")
    assert not User.objects.exists()


def test_a_frozen_log_does_not_keep_the_run_from_starting(now):
    submit(now)
    freeze_log(code="log_rolled_back", sentence="An older state was restored.", evidence={}, at=now)
    drain_outbox(now)
    assert OutboxRow.objects.count() == 1
