"""Who may read an owner's data and who did: one row for each purchase, renewals and bills counted in."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Sum
from django.utils.timezone import get_current_timezone

from ledger.entries import at_text
from marketplace.accounts.models import User
from marketplace.consents.models import Consent
from marketplace.delivery.models import Read
from marketplace.delivery.reads.sight import AccessFacts, access_facts
from marketplace.purchases.models import Purchase, PurchaseQuerySet
from marketplace.web.csv_lines import as_text
from marketplace.web.formats import cents_text, day_text, money_text, plural
from marketplace.web.forms.access import AccessFilter
from marketplace.web.wording import plan_name

ENDED_WORDS = {
    "consent_withdrawn": "you withdrew the consent",
    "listing_withdrawn": "you withdrew the listing",
    "given_back": "given back",
    "over": "its time is over",
}
LATELY = timedelta(days=30)
READS_HEAD = ("at", "buyer", "listing", "purchase", "consent", "through", "rows", "bytes")
_AT_ONCE = 1_000


@dataclass(frozen=True)
class AccessRow:
    """until_text, consent_until_text: days where the owner lives.

    ended_words: why nothing can be read any more; empty while it can. held_text: empty where nothing is on hold.
    """

    purchase: Purchase
    buyer: str
    plan_name: str
    facts: AccessFacts
    until_text: str
    consent_until_text: str
    ended_words: str
    earned_text: str
    held_text: str
    may_withdraw: bool


def chosen_purchases(user: User, chosen: AccessFilter, at: datetime) -> PurchaseQuerySet:
    """Everything that was sold to anybody, narrowed down to what the form says."""
    purchases = Purchase.objects.of_seller(user).begun()
    cleaned = chosen.cleaned_data
    if cleaned["consent"]:
        purchases = purchases.filter(listing__consent=cleaned["consent"])
    if cleaned["device"]:
        under = Consent.objects.filter(devices=cleaned["device"]).values("pk")
        purchases = purchases.filter(listing__consent__in=under)
    readable = Purchase.objects.readable_at(at).values("pk")
    if cleaned["state"] == AccessFilter.NOW:
        return purchases.filter(pk__in=readable)
    return purchases.exclude(pk__in=readable) if cleaned["state"] == AccessFilter.ENDED else purchases


def access_rows(purchases: Sequence[Purchase], at: datetime) -> list[AccessRow]:
    """purchases: with buyer, plan, listing and consent at hand."""
    facts, zone = access_facts(purchases, at), get_current_timezone()
    return [
        AccessRow(
            purchase,
            purchase.buyer.pseudonym,
            plan_name(purchase.plan),
            facts[purchase.pk],
            day_text(facts[purchase.pk].until, zone),
            day_text(purchase.listing.consent.valid_until, zone),
            ENDED_WORDS.get(facts[purchase.pk].ended, ""),
            money_text(facts[purchase.pk].earned_micros, purchase.currency),
            money_text(held, purchase.currency) if (held := facts[purchase.pk].held_micros) else "",
            purchase.listing.consent.is_active(at),
        )
        for purchase in purchases
    ]


def access_figures(user: User, at: datetime) -> dict[str, Any]:
    """Over everything that a person sells, whatever the list is narrowed down to."""
    own = Purchase.objects.of_seller(user)
    readable = own.readable_at(at).aggregate(purchases=Count("pk"), buyers=Count("buyer", distinct=True))
    lately = Read.objects.filter(purchase__listing__seller=user, at__gt=at - LATELY)
    reads = lately.aggregate(count=Count("pk"), rows=Sum("row_count"))
    earned = own.aggregate(total=Sum("released_seller_micros"))["total"] or 0
    return {
        "purchase_count": readable["purchases"],
        "buyers_note": f"purchases, of {plural(readable['buyers'], 'buyer')}",
        "reads_note": f"in {plural(reads['count'], 'read')}",
        "row_count": reads["rows"] or 0,
        "earned_text": cents_text(earned, settings.MARKET_CURRENCY),
    }


def read_portions(user: User) -> Iterator[list[list[str]]]:
    """Every read of a person's data, oldest first, as cells under READS_HEAD."""
    reads = Read.objects.filter(purchase__listing__seller=user).order_by("pk")
    rows = reads.select_related("purchase__buyer", "purchase__listing__consent")
    last = 0
    while found := list(rows.filter(pk__gt=last)[:_AT_ONCE]):
        last = found[-1].pk
        yield [_cells(read) for read in found]


def _cells(read: Read) -> list[str]:
    purchase = read.purchase
    ids = [str(purchase.public_id), str(purchase.listing.consent.public_id)]
    names = [as_text(purchase.buyer.pseudonym), as_text(purchase.listing.title)]
    return [at_text(read.at), *names, *ids, read.door, str(read.row_count), str(read.byte_count)]
