"""What one purchase's page shows: how far it is, the way in, what is allowed, what was read."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Max, Q, Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from ledger.models import WitnessMemory
from marketplace.access.errors import ConsentEnded, ConsentWithdrawn, ListingWithdrawn, PurchaseEnded, PurchaseRefunded
from marketplace.access.models import ROTATION_GRACE, AccessToken
from marketplace.access.services import obstacle_to
from marketplace.consents.models import Resolution
from marketplace.delivery.models import Read
from marketplace.delivery.reads.sight import AccessFacts, access_facts
from marketplace.delivery.services import is_ready
from marketplace.listings.models import Plan
from marketplace.purchases.models import Purchase, PurchaseChange, Refund
from marketplace.purchases.services import (
    DELETED_WITHIN,
    Usage,
    is_counted,
    may_return_until,
    obstacle_to_refund,
    refund_for_asking,
    usages_now,
)
from marketplace.web.buyer.cards import terms_of
from marketplace.web.buyer.running import running_context
from marketplace.web.buyer.snippets import snippets_of
from marketplace.web.buyer.token_rows import token_rows
from marketplace.web.formats import day_text, exact_text, money_text
from marketplace.web.forms.buyer import CapForm, cap_values
from marketplace.web.narrowings import narrowings_of
from marketplace.web.plan_words import price_sentence, price_text
from marketplace.web.records import seal_of, seals_of
from marketplace.web.seals import Seal
from marketplace.web.wording import plan_name

_ENDS = {
    ConsentWithdrawn.code: "The owner has withdrawn the consent, so every token is refused.",
    ListingWithdrawn.code: "The seller has withdrawn the listing, so every token is refused.",
    ConsentEnded.code: "The owner’s consent has ended, so every token is refused.",
    PurchaseEnded.code: "The time for which you bought access is over.",
    PurchaseRefunded.code: "The money went back, so every token is refused.",
}


ENDED_WORDS = {
    "consent_withdrawn": "the owner withdrew",
    "listing_withdrawn": "the seller withdrew",
    "given_back": "given back",
    "over": "its time is over",
}


def purchase_rows(purchases: Sequence[Purchase], at: datetime) -> list[dict[str, Any]]:
    """What a buyer holds: until when, what was used of it, what it cost and will cost."""
    seals = seals_of(purchase.entry_id for purchase in purchases)
    facts, usages = access_facts(purchases, at), usages_now(purchases, at)
    return [
        {
            "purchase": purchase,
            "plan_name": plan_name(purchase.plan),
            "cost_text": cost_text(purchase, facts[purchase.pk].paid_micros),
            "cost_note": cost_note(purchase, facts[purchase.pk], usages.get(purchase.pk)),
            "seal": seals[purchase.entry_id],
            "facts": facts[purchase.pk],
            "until_text": day_text(facts[purchase.pk].until, timezone.get_current_timezone()),
            "ended_words": ENDED_WORDS.get(facts[purchase.pk].ended, ""),
        }
        for purchase in purchases
    ]


def cost_text(purchase: Purchase, paid_micros: int) -> str:
    """All that was paid for it and not given back, renewals and bills included."""
    is_free = not purchase.price_micros and purchase.plan.kind != Plan.Kind.METERED and not paid_micros
    return "Free" if is_free else money_text(paid_micros, purchase.currency)


def cost_note(purchase: Purchase, facts: AccessFacts, usage: Usage | None) -> str:
    """What it will cost next; empty where nothing more is charged by itself."""
    if facts.ended:
        return ""
    if purchase.is_renewing:
        return f"then {price_sentence(purchase.plan.latest_version())}"
    if usage is None:
        return ""
    so_far = f"{money_text(usage.bill.charge_micros, purchase.currency)} this month so far"
    caps = [cap for cap in (purchase.own_cap_micros, usage.terms.cap_micros) if cap is not None]
    return f"{so_far}, at most {money_text(min(caps), purchase.currency)}" if caps else so_far


def paid_text(purchase: Purchase) -> str:
    return money_text(purchase.price_micros, purchase.currency) if purchase.price_micros else "Free"


def end_of_access(purchase: Purchase, at: datetime) -> str:
    """Why the data can't be loaded any more; empty when it can."""
    obstacle = obstacle_to(purchase, at)
    if obstacle is None:
        return ""
    if isinstance(obstacle, PurchaseEnded) and purchase.changes.filter(kind=PurchaseChange.Kind.STOPPED).exists():
        return "You stopped this purchase, so every token is refused."
    return _ENDS.get(obstacle.code, str(obstacle))


def ending_context(purchase: Purchase) -> dict[str, Any]:
    """What is left to know after the end: what came back, what is still billed, and until when copies must go."""
    end = early_end(purchase)
    terms = Refund.objects.filter(Q(purchase=purchase) | Q(purchase__continues=purchase))
    return {
        "refunds": list(terms.select_related("credit_note")),
        "delete_by": end["at"] + DELETED_WITHIN if end else None,
        "has_unbilled_use": purchase.usage_months.filter(billed_at=None, row_count__gt=0).exists(),
    }


def purchase_steps(
    purchase: Purchase, seal: Seal | None, is_data_ready: bool, *, has_witnesses: bool
) -> list[dict[str, Any]]:
    """Paid, recorded as entry N, witnessed (if there are witnesses), data ready."""
    is_recorded = seal is not None and seal.number is not None
    recorded = f"Recorded as entry {seal.number:,}" if is_recorded and seal else "Being recorded in the log"
    paid = "Agreed" if not purchase.price_micros else f"Paid {paid_text(purchase)}"
    return [
        {"title": paid, "state": "done", "at": purchase.purchased_at},
        {
            "title": recorded,
            "note": "Signed, and provable to anyone." if is_recorded else "Usually takes a second or two.",
            "state": "done" if is_recorded else "now",
        },
        *([witnessed_step(seal)] if has_witnesses else []),
        {
            "title": "Data ready" if is_data_ready and is_recorded else "Preparing the data",
            "note": "" if is_data_ready else "The files of your part are being written.",
            "state": ("done" if is_data_ready else "now") if is_recorded else "next",
        },
    ]


def witnessed_step(seal: Seal | None) -> dict[str, Any]:
    if seal is not None and seal.state == "final":
        return {"title": "Witnessed", "note": "Enough witnesses have cosigned it: it is final.", "state": "done"}
    is_recorded = seal is not None and seal.number is not None
    note = "Your access does not wait for it."
    return {"title": "Being witnessed", "note": note, "state": "now" if is_recorded else "next"}


def purchase_context(request: HttpRequest, purchase: Purchase, secret: str = "") -> dict[str, Any]:
    """secret: a token that was just made and is shown this one time."""
    now = timezone.now()
    seal = seal_of(purchase.entry_id)
    ended = end_of_access(purchase, now)
    is_recorded = seal is not None and seal.number is not None
    is_done = bool(ended) or (is_recorded and is_ready(purchase))
    has_witnesses = WitnessMemory.objects.exists()
    gone = withdrawal_seal(purchase)
    reads = purchase.reads.aggregate(count=Count("pk"), rows=Sum("row_count"), bytes=Sum("byte_count"), last=Max("at"))
    access = access_context(request, purchase, now, secret, is_over=bool(ended))
    seals = [seal, gone, *(seal for row in access["tokens"] for seal in (row["seal"], row["revocation_seal"]))]
    return {
        "purchase": purchase,
        "listing": purchase.listing,
        "plan_name": plan_name(purchase.plan),
        "price_text": price_text(purchase.plan) if not purchase.price_micros else paid_text(purchase),
        "seal": seal,
        "steps": purchase_steps(purchase, seal, is_done, has_witnesses=has_witnesses),
        "is_done": is_done,
        "is_awaited": not is_done and not secret,
        "is_moving": not is_done or is_any_moving(seals, has_witnesses=has_witnesses),
        "mark": mark_of(is_done, ended, seals, [row["state"] for row in access["tokens"]], reads),
        "ended": ended,
        "withdrawal_seal": gone,
        "terms": terms_of(purchase.listing.consent),
        "narrowings": narrowings_since(purchase),
        "reads": reads,
        "money_back": money_back(purchase, now),
        "last_reads": list(Read.objects.filter(purchase=purchase).select_related("token")[:10]),
        "cap_form": CapForm(initial=cap_values(purchase)),
        "origin": origin_context(purchase, access["tokens"]),
        **running_context(purchase, now, is_over=bool(ended)),
        **(ending_context(purchase) if ended else {}),
        **access,
    }


def origin_context(purchase: Purchase, tokens: Sequence[dict[str, Any]]) -> dict[str, bool]:
    """is_signed: devices signed the very rows. may_load: there is a token by which the evidence can be had."""
    return {
        "is_signed": purchase.listing.consent.resolution == Resolution.RAW,
        "may_load": any(row["is_usable"] for row in tokens),
        "is_counted": is_counted(purchase),
    }


def money_back(purchase: Purchase, at: datetime) -> dict[str, Any] | None:
    """What a buyer can do about money that is on hold; None where none is and none was disputed."""
    dispute = ("The dispute", reverse("purchase_dispute", args=[purchase.public_id]))
    if purchase.disputed_at is not None:
        decides = "It decides about the money." if purchase.held_micros else "None of the money is on hold any more."
        return {"sentence": f"A dispute about this purchase is open. {decides}", "links": [dispute]}
    held = money_text(purchase.held_micros, purchase.currency)
    if obstacle_to_refund(purchase, at) is None:
        give_back = ("Give it back", reverse("purchase_refund", args=[purchase.public_id]))
        if purchase.clock_started_at is not None or at >= may_return_until(purchase):
            back = money_text(refund_for_asking(purchase, at), purchase.currency)
            sentence = f"The owner narrowed the consent. You may give back what is left of it, and get {back} now."
            return {"sentence": sentence, "links": [give_back, ("Open a dispute", dispute[1])]}
        until = exact_text(may_return_until(purchase), timezone.get_current_timezone())
        sentence = f"You have loaded nothing yet, so you can give it back until {until} and get {held}."
        return {"sentence": sentence, "links": [give_back, ("Open a dispute", dispute[1])]}
    if purchase.held_micros:
        sentence = f"{held} of what you paid is on hold. If the data is not what was promised, open a dispute."
        return {"sentence": sentence, "links": [("Open a dispute", dispute[1])]}
    if purchase.disputes.exists():
        return {"sentence": "There was a dispute about this purchase.", "links": [dispute]}
    return None


def narrowings_since(purchase: Purchase) -> list[dict[str, Any]]:
    """What the owner took away after it was bought, each with its seal, oldest first."""
    changes = [change for change in narrowings_of(purchase.listing.consent) if change["at"] > purchase.purchased_at]
    seals = seals_of(change["entry_id"] for change in changes)
    return [{**change, "seal": seals[change["entry_id"]]} for change in changes]


def is_any_moving(seals: Sequence[Seal | None], *, has_witnesses: bool) -> bool:
    """Whether a seal will change by itself before long. Without witnesses a record may stay signed."""
    moving = ("waiting", "signed") if has_witnesses else ("waiting",)
    return any(seal is not None and seal.state in moving for seal in seals)


def mark_of(*shown: object) -> str:
    """A short name of what a page shows, equal as long as nothing of it changes."""
    return hashlib.sha256(repr(shown).encode()).hexdigest()[:16]


def withdrawal_seal(purchase: Purchase) -> Seal | None:
    """The record of what ended this purchase early, which both sides may prove."""
    listing = purchase.listing
    return seal_of(listing.consent.withdrawal_entry_id or listing.withdrawal_entry_id)


def early_end(purchase: Purchase) -> dict[str, Any] | None:
    """When, why and by which record access ended before its time; None when it did not."""
    listing, consent = purchase.listing, purchase.listing.consent
    ends = [
        (consent.withdrawn_at, "the owner withdrew the consent", consent.withdrawal_entry_id),
        (listing.withdrawn_at, "the seller withdrew the listing", listing.withdrawal_entry_id),
    ]
    early = [(at, why, entry_id) for at, why, entry_id in ends if at is not None and at < purchase.access_until]
    if not early:
        return None
    at, why, entry_id = min(early, key=lambda end: end[0])
    return {"at": at, "why": why, "seal": seal_of(entry_id)}


def access_context(
    request: HttpRequest, purchase: Purchase, at: datetime, secret: str, *, is_over: bool
) -> dict[str, Any]:
    """is_over: nothing can be read under this purchase, whatever its tokens say."""
    return {
        "secret": secret,
        "grace_minutes": ROTATION_GRACE // timedelta(minutes=1),
        "tokens": token_rows(purchase, at, is_over=is_over),
        "has_client": purchase.tokens.filter(kind=AccessToken.Kind.CLIENT, revoked_at=None).exists(),
        "snippets": snippets_of(purchase, sharing_endpoint(request), secret),
    }


def sharing_endpoint(request: HttpRequest) -> str:
    """Where Delta Sharing clients go: on the very host and port that this page came from."""
    return request.build_absolute_uri(reverse("sharing_shares").removesuffix("shares"))
