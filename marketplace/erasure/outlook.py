"""What an erasure would take with it, what would stay, and what is in its way now."""

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, Sum

from devices.models import Batch, Device
from ledger.models import Entry
from marketplace.access.models import AccessToken
from marketplace.accounts.models import ApiKey, User
from marketplace.consents.models import Consent
from marketplace.disputes.models import Dispute
from marketplace.erasure.errors import (
    CardRefundUnderWay,
    DebtLeft,
    DisputeUnderWay,
    EarningsLeft,
    ErasureError,
    MoneyInWallet,
    MoneyOnHold,
    PayoutUnderWay,
    PurchaseUnderWay,
    SalesNotBilled,
    StaffAccount,
    TopUpUnderWay,
    UsageNotBilled,
)
from marketplace.listings.models import Listing
from marketplace.purchases.models import Purchase, PurchaseQuerySet
from marketplace.purchases.services import sold_use_micros, used_micros
from marketplace.wallet.gateway.models import CardRefund, Payout
from marketplace.wallet.gateway.services import owed_micros
from marketplace.wallet.models import Account, TopUp

_MONEY: dict[str, type[ErasureError]] = {
    Account.Kind.WALLET: MoneyInWallet,
    Account.Kind.PAYABLE: EarningsLeft,
    Account.Kind.ESCROW: MoneyOnHold,
}


@dataclass(frozen=True, slots=True)
class Outlook:
    """goes and stays are counts; buyer_count: people who lose access to what they bought."""

    device_count: int
    batch_count: int
    reading_count: int
    consent_count: int
    listing_count: int
    buyer_count: int
    token_count: int
    api_key_count: int
    purchase_count: int
    sale_count: int
    top_up_count: int
    sold_titles: list[str]
    obstacles: list[ErasureError]


def outlook_for(user: User, *, at: datetime) -> Outlook:
    devices = Device.objects.owned_by(user)
    sales = Purchase.objects.of_seller(user)
    tokens = AccessToken.objects.filter(purchase__buyer=user, revoked_at=None, expires_at__gt=at)
    return Outlook(
        device_count=devices.count(),
        batch_count=Batch.objects.filter(device__in=devices).count(),
        reading_count=devices.aggregate(total=Sum("reading_count"))["total"] or 0,
        consent_count=Consent.objects.filter(owner=user).active_at(at).count(),
        listing_count=Listing.objects.filter(seller=user).held_at(at).count(),
        buyer_count=sales.active_at(at)
        .filter(listing__in=Listing.objects.held_at(at))
        .values("buyer")
        .distinct()
        .count(),
        token_count=tokens.count(),
        api_key_count=ApiKey.objects.usable().filter(user=user).count(),
        purchase_count=Purchase.objects.for_buyer(user).count(),
        sale_count=sales.count(),
        top_up_count=TopUp.objects.filter(user=user, state=TopUp.State.PAID).count(),
        sold_titles=list(sales.order_by("listing__title").values_list("listing__title", flat=True).distinct()),
        obstacles=obstacles_to(user),
    )


def obstacles_to(user: User) -> list[ErasureError]:
    """Return why the account cannot be erased now; nothing when it can."""
    found: list[ErasureError] = [StaffAccount()] if user.is_staff or user.is_superuser else []
    if TopUp.objects.filter(user=user, state=TopUp.State.PENDING).exists():
        found.append(TopUpUnderWay())
    if Payout.objects.under_way().filter(user=user).exists():
        found.append(PayoutUnderWay())
    if CardRefund.objects.under_way().filter(user=user).exists():
        found.append(CardRefundUnderWay())
    if unrecorded_purchases(user).exists():
        found.append(PurchaseUnderWay())
    if Dispute.objects.open().involving(user).exists():
        found.append(DisputeUnderWay())
    if used := used_micros(user):
        found.append(UsageNotBilled(amount_micros=used, currency=settings.MARKET_CURRENCY))
    if sold := sold_use_micros(user):
        found.append(SalesNotBilled(amount_micros=sold, currency=settings.MARKET_CURRENCY))
    if owed := owed_micros(user):
        found.append(DebtLeft(amount_micros=owed, currency=settings.MARKET_CURRENCY))
    return found + [
        _MONEY[wallet.kind](amount_micros=wallet.balance_micros, currency=wallet.currency)
        for wallet in wallets_with_money(user)
    ]


def wallets_with_money(user: User) -> list[Account]:
    accounts = list(Account.objects.filter(owner=user).with_balance().order_by("currency"))
    return [account for account in accounts if account.balance_micros]


def unrecorded_purchases(user: User) -> PurchaseQuerySet:
    recorded = Entry.objects.filter(entry_id=OuterRef("entry_id"))
    return Purchase.objects.filter(~Exists(recorded), Q(buyer=user) | Q(listing__seller=user))
