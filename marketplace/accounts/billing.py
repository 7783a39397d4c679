"""What a person declares for invoices: it is printed on those issued from then on, and says whose tax a sale holds."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from marketplace.accounts.erasing import hold_account
from marketplace.accounts.models import BillingProfile, User


@dataclass(frozen=True)
class Particulars:
    """The buyer or seller on an invoice. evidence: where each fact about the place comes from, as (fact, source)."""

    name: str
    address: str
    country: str
    vat_id: str
    evidence: tuple[tuple[str, str], ...] = ()


@transaction.atomic
def declare_billing(*, user: User, name: str, address: str, country: str, vat_id: str, at: datetime) -> BillingProfile:
    """Keep what a person declared. vat_id: checked by the form that asked for it. Raises: AccountErased."""
    hold_account(user)
    values = {"name": name, "address": address, "country": country, "vat_id": vat_id, "declared_at": at}
    profile, _ = BillingProfile.objects.update_or_create(user=user, defaults=values)
    return profile


def particulars_of(user: User) -> Particulars:
    """Return what is known now. The country of the profile goes before the one that was chosen at the sign-up."""
    profile = BillingProfile.objects.filter(user=user).first()
    evidence = [(user.country, "account")] if user.country else []
    if user.time_zone != "UTC":
        evidence.append((user.time_zone, "time zone"))
    if profile is None:
        return Particulars("", "", user.country, "", tuple(evidence))
    evidence.insert(0, (profile.country, f"billing address of {profile.declared_at:%Y-%m-%d}"))
    return Particulars(profile.name, profile.address, profile.country, profile.vat_id, tuple(evidence))
