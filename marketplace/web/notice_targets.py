"""Where a notice leads: the page of what it is about, as the person who was told sees it."""

from uuid import UUID

from django.urls import reverse

from marketplace.accounts.models import User
from marketplace.consents.models import Consent
from marketplace.notices.kinds import NoticeKind
from marketplace.notices.models import Notice, WebhookEndpoint
from marketplace.purchases.models import Purchase

# What leads to the same page whatever the facts say.
_PAGES = {
    NoticeKind.SALE: "sale_list",
    NoticeKind.FIRST_READ: "read_list",
    NoticeKind.PAYOUT: "sales",
}
# What leads to the page of one of its facts.
_PAGE_OF_FACT = {
    NoticeKind.PRICE_CHANGE: ("listing_page", "listing"),
    NoticeKind.OFFER: ("listing_page", "listing"),
    NoticeKind.HANDOVER: ("device_page", "device"),
}


def target_of(notice: Notice, user: User) -> str:
    kind, facts = NoticeKind(notice.kind), notice.facts
    if kind in _PAGES:
        return reverse(_PAGES[kind])
    if kind in _PAGE_OF_FACT:
        page, fact = _PAGE_OF_FACT[kind]
        return reverse(page, args=[facts[fact]])
    if kind in {NoticeKind.CONSENT_REMINDER, NoticeKind.CONSENT_CHANGE}:
        return _consent_page(UUID(facts["consent"]), user)
    if kind == NoticeKind.WEBHOOK_DISABLED:
        return _webhook_page(UUID(facts["endpoint"]), user)
    if not facts.get("purchase"):
        return reverse("wallet")
    return _purchase_page(UUID(facts["purchase"]), user)


def _consent_page(consent: UUID, user: User) -> str:
    """A buyer is told of a consent that is not the buyer's to look at."""
    is_own = Consent.objects.filter(owner=user, public_id=consent).exists()
    return reverse("consent_page", args=[consent]) if is_own else reverse("purchase_list")


def _webhook_page(endpoint: UUID, user: User) -> str:
    """It may be deleted by now."""
    is_there = WebhookEndpoint.objects.filter(user=user, public_id=endpoint).exists()
    return reverse("webhook_page", args=[endpoint]) if is_there else reverse("webhook_list")


def _purchase_page(purchase: UUID, user: User) -> str:
    is_own = Purchase.objects.for_buyer(user).filter(public_id=purchase).exists()
    return reverse("purchase_page", args=[purchase]) if is_own else reverse("sale_list")
