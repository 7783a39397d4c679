"""Narrow a consent, and tell those who bought under the wider terms what they can do about it."""

from datetime import datetime

from django.db import transaction

from marketplace.consents.models import Consent
from marketplace.consents.services import Terms, narrow_consent
from marketplace.listings.services import follow_consent
from marketplace.notices.kinds import NoticeKind
from marketplace.notices.services import NoticeDraft, notify_many
from marketplace.purchases.models import Purchase


@transaction.atomic
def narrow_consent_and_tell(*, consent: Consent, terms: Terms, at: datetime) -> Consent:
    """Parameters and refusals as in narrow_consent. Each buyer with access is told once."""
    narrowed = narrow_consent(consent=consent, terms=terms, at=at)
    follow_consent(consent=narrowed)
    change = narrowed.changes.latest("pk")
    rows = Purchase.objects.filter(listing__consent=narrowed).active_at(at).select_related("buyer")
    facts: dict[str, str | int] = {"consent": str(narrowed.public_id), "change": "narrowed"}
    buyers = {purchase.buyer.pk: purchase.buyer for purchase in rows if purchase.buyer.erased_at is None}
    notify_many(
        [NoticeDraft(buyer, NoticeKind.CONSENT_CHANGE, facts, at, change.public_id) for buyer in buyers.values()]
    )
    return narrowed
