"""Fill an embedded market with a believable month: people, devices, listings in every state, sales, a withdrawal."""

from __future__ import annotations

import json
import secrets
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from devices.models import Device
from marketplace.accounts.models import User
from marketplace.delivery.reads.summarising import summarise_reads
from marketplace.delivery.services import refresh_table
from marketplace.delivery.sharing.profile import share_profile
from marketplace.listings.models import Listing
from marketplace.purchases.models import Purchase
from marketplace.purchases.services import check_books, release_earnings
from marketplace.web.demo import building, trading
from marketplace.web.demo.script import DEVICES, LISTINGS, PAID_OUT_OWNER, PEOPLE, TAKEN_BACK_BY

SHARED_PURCHASE = ("buyer", "roof")
WITHDRAWN_AFTER = timedelta(days=26, hours=3)
NARROWED_AFTER = timedelta(days=28, hours=7)


class Command(BaseCommand):
    help = "Seed the demo market. Safe to run again: what is there stays, and the devices catch up with their readings."

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.IS_PRODUCTION:
            raise CommandError("The demo is for the embedded run only; this is production.")
        now = timezone.now()
        filled = settings.VAR_DIR / "demo.filled"
        if filled.exists():
            self._catch_up(now)
            return
        self._fill(now)
        building.write_private(filled, f"{now.isoformat()}\n")

    def _fill(self, now: datetime) -> None:
        """What a run that was cut short has made stays, and is gone on from."""
        start = building.first_day(now)
        people = self._seed_people(start)
        devices = self._seed_devices(people, start, now)
        listings = {demo.key: trading.ensure_listing(demo, people[demo.seller], devices, start) for demo in LISTINGS}
        trading.drain_outbox(now)
        purchases = self._seed_purchases(people, listings, start)
        trading.drain_outbox(now)
        for listing in listings.values():
            if listing.published_at is not None:
                refresh_table(listing=listing, at=now)
        self._seed_tokens(purchases, start, now)
        for demo in LISTINGS:
            trading.ensure_narrowing(demo, listings[demo.key], start + NARROWED_AFTER, now)
            trading.ensure_end(demo, listings[demo.key], start + WITHDRAWN_AFTER)
        summarise_reads(at=now)
        release_earnings(at=now)
        trading.ensure_payouts(people[PAID_OUT_OWNER], now)
        trading.ensure_card_refund(people[TAKEN_BACK_BY], now)
        check_books(at=now)
        trading.drain_outbox(now)
        self.stdout.write(f"Demo market: {len(people)} people, {len(devices)} devices, {len(listings)} listings.")

    def _catch_up(self, now: datetime) -> None:
        """Once it is filled the market is its users'. Only the devices that still run send what they measured since."""
        keys = building.DeviceKeys(settings.VAR_DIR / "keys" / "demo-devices.json")
        running = 0
        for demo in DEVICES:
            key = keys.key_of(demo.key)
            device = Device.objects.filter(keys__public_key=bytes(key.verify_key)).first()
            if device is None or device.state != Device.State.ENROLLED:
                continue
            running += 1
            if building.send_history(demo, device, key, until=now):
                building.resolve_history(device, now)
        self.stdout.write(f"Demo market: as it was left. {running} of its devices sent what they measured since then.")

    def _seed_people(self, start: datetime) -> dict[str, User]:
        path = settings.VAR_DIR / "demo.json"
        password = json.loads(path.read_text())["people"][0]["password"] if path.exists() else secrets.token_urlsafe(9)
        people = {person.key: building.ensure_person(person, password, start) for person in PEOPLE}
        rows = [{"email": person.email, "password": password, "role": person.role} for person in PEOPLE]
        building.write_private(path, json.dumps({"url": settings.PUBLIC_URL, "people": rows}, indent=2) + "\n")
        return people

    def _seed_devices(self, people: dict[str, User], start: datetime, now: datetime) -> dict[str, Device]:
        keys = building.DeviceKeys(settings.VAR_DIR / "keys" / "demo-devices.json")
        devices = {}
        for demo in DEVICES:
            key = keys.key_of(demo.key)
            device = building.ensure_device(demo, people[demo.owner], key, start)
            if building.send_history(demo, device, key, until=now):
                building.resolve_history(device, now)
            devices[demo.key] = device
        return devices

    def _seed_purchases(
        self, people: dict[str, User], listings: dict[str, Listing], start: datetime
    ) -> dict[tuple[str, str], Purchase]:
        purchases = {}
        # The last listing was bought first, so that statements read in the order of time.
        for place, demo in reversed(list(enumerate(LISTINGS))):
            for buyer in demo.buyers:
                at = start + timedelta(days=27 - 2 * place, hours=9 + place, minutes=13 * len(buyer))
                if demo.resolution == "raw":
                    # At a border of two batches: each row that was bought is proven by an envelope that was bought.
                    at = at.replace(hour=12, minute=0)
                purchases[buyer, demo.key] = trading.ensure_purchase(listings[demo.key], people[buyer], at)
        return purchases

    def _seed_tokens(self, purchases: dict[tuple[str, str], Purchase], start: datetime, now: datetime) -> None:
        """Each buyer reads once, before anything is withdrawn."""
        path = settings.VAR_DIR / "demo.share"
        for number, (place, purchase) in enumerate(purchases.items(), start=1):
            issued_at = purchase.purchased_at + timedelta(hours=2)
            read_at = max(start + WITHDRAWN_AFTER - timedelta(hours=8), issued_at) + timedelta(minutes=number)
            text = trading.ensure_token(purchase, issued_at, read_at)
            if place == SHARED_PURCHASE:
                text = text or json.loads(path.read_text())["bearerToken"]
                expires_at = purchase.tokens.order_by("created_at")[0].expires_at
                endpoint = f"{settings.PUBLIC_URL}/delta-sharing/"
                profile = share_profile(endpoint=endpoint, token=text, expires_at=expires_at)
                building.write_private(path, json.dumps(profile, indent=2) + "\n")
