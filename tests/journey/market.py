"""A small market with something in every state, made through the services."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from allauth.account.models import EmailAddress
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.conf import settings
from django.contrib.auth.models import Group
from django.core.mail import EmailMessage, get_connection

from devices.models import Device
from devices.services import add_device, hand_over_device
from ledger.audit_runs import continue_audit, request_audit
from ledger.freezing import freeze_log, lift_freeze
from ledger.models import Alarm, AuditRun, AuditVisit, Checkpoint, Entry, LogFreeze, OutboxRow, WitnessMemory
from ledger.services import sequence_batch
from ledger.visits import record_visit
from marketplace.access.models import AccessToken
from marketplace.access.services import authorise, issue_token
from marketplace.accounts.groups import AUDITOR, OPERATOR
from marketplace.accounts.models import ApiKey, User
from marketplace.accounts.services import create_api_key, retire_owned_device
from marketplace.consents.models import Consent
from marketplace.consents.services import withdraw_consent
from marketplace.delivery.models import Read
from marketplace.delivery.reads.summarising import summarise_reads
from marketplace.delivery.services import record_read, refresh_table
from marketplace.disputes.models import Dispute
from marketplace.disputes.services import answer_dispute, open_dispute
from marketplace.handovers.services import offer_device
from marketplace.invoices.models import Invoice
from marketplace.invoices.services import issue_due
from marketplace.listings.entries import PlanTerms
from marketplace.listings.models import Listing
from marketplace.notices.delivering import serve_next_endpoint
from marketplace.notices.kinds import NoticeKind
from marketplace.notices.models import Notice, WebhookEndpoint
from marketplace.notices.services import add_webhook, choose_mailed_kinds, send_test_webhook
from marketplace.purchases.books import check_books
from marketplace.purchases.models import Order, Purchase
from marketplace.purchases.ordering import order_listing
from marketplace.purchases.services import buy_listing, count_rows, refund_on_request, set_cap, take_back_top_up
from marketplace.wallet.gateway.models import CardRefund, Payout
from marketplace.wallet.gateway.services import answer_card_refund_at_test_provider, reconcile
from marketplace.wallet.models import TopUp
from marketplace.wallet.services import start_top_up
from tests.builders import EURO, make_consent, make_draft, make_listing
from tests.builders_delivery import SigningDevice, day_start, make_signing_device, minutes
from tests.builders_gateway import dispute_top_up, paid_out
from tests.builders_money import fill_wallet
from tests.builders_notices import tell
from tests.conftest import make_person

RUNNING = (
    PlanTerms("metered", micros_per_1000_rows=EURO, free_rows=100, cap_micros=20 * EURO),
    PlanTerms("period", EURO, 36 * 3_600, is_renewing=True),
    PlanTerms("trial", trial_rows=100),
)
PLANS = (PlanTerms("one_off", 5 * EURO), PlanTerms("period", 2 * EURO, 30 * 86_400))


@dataclass
class Market:
    """Everything by a name that says its state, such as devices["retired"]."""

    people: dict[str, User]
    devices: dict[str, Device] = field(default_factory=dict)
    consents: dict[str, Consent] = field(default_factory=dict)
    listings: dict[str, Listing] = field(default_factory=dict)
    purchases: dict[str, Purchase] = field(default_factory=dict)
    disputes: dict[str, Dispute] = field(default_factory=dict)
    payouts: dict[str, Payout] = field(default_factory=dict)
    card_refunds: dict[str, CardRefund] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    top_ups: dict[str, TopUp] = field(default_factory=dict)
    reads: dict[str, Read] = field(default_factory=dict)
    tokens: dict[str, AccessToken] = field(default_factory=dict)
    api_keys: dict[str, ApiKey] = field(default_factory=dict)
    notices: dict[str, Notice] = field(default_factory=dict)
    webhooks: dict[str, WebhookEndpoint] = field(default_factory=dict)
    handover_code: str = ""

    @property
    def invoices(self) -> list[Invoice]:
        """One invoice and one credit note of ben’s."""
        own = Invoice.objects.for_buyer(self.people["ben"])
        return [own.filter(series=series).earliest("pk") for series in ("invoice", "credit_note")]

    @property
    def ledger_rows(self) -> dict[str, Any]:
        return {
            "entry": Entry.objects.earliest("index").pk,
            "checkpoint": Checkpoint.objects.earliest("size").pk,
            "outboxrow": OutboxRow.objects.earliest("id").pk,
            "auditrun": AuditRun.objects.earliest("id").pk,
            "witnessmemory": WitnessMemory.objects.earliest("id").pk,
            "alarm": Alarm.objects.earliest("id").pk,
            "logfreeze": LogFreeze.objects.earliest("id").pk,
        }

    @property
    def visit(self) -> AuditVisit:
        return AuditVisit.objects.earliest("id")


def make_market(at: datetime) -> Market:
    """at: a moment shortly before now, because pages ask the clock."""
    names = ("sara", "ben", "mallory", "auditor", "operator")
    market = Market({name: make_person(name) for name in names})
    for name, group in (("auditor", AUDITOR), ("operator", OPERATOR)):
        person = market.people[name]
        person.is_staff = True
        person.save()
        person.groups.add(Group.objects.get(name=group))
    sender = _add_devices(market, at)
    _offer(market, sender, at)
    _trade(market, at)
    _order(market, at)
    _audit(market, at)
    _leave_waiting(market, at)
    _make_accounts_interesting(market)
    _tell(market, at)
    return market


def _tell(market: Market, at: datetime) -> None:
    """One notice of each kind; the older half is read."""
    ben = market.people["ben"]
    for age, kind in enumerate(NoticeKind):
        market.notices[kind] = tell(ben, kind, at - timedelta(hours=5 * age))
    Notice.objects.for_person(ben).filter(at__lt=at - timedelta(hours=30)).update(read_at=at)
    kept = set(NoticeKind) - {NoticeKind.OFFER}
    choose_mailed_kinds(user=market.people["mallory"], kinds=kept, at=at)
    for number, state in enumerate(("failing", "off")):
        # Nothing listens there.
        url = f"http://127.0.0.1:{number + 1}/hooks/{'long-' * 12}"
        market.webhooks[state], _ = add_webhook(user=ben, url=url, kinds=list(NoticeKind), at=at)
        send_test_webhook(endpoint=market.webhooks[state], at=at)
    while serve_next_endpoint(at=at):
        pass
    WebhookEndpoint.objects.filter(pk=market.webhooks["off"].pk).update(disabled_at=at, disabled_reason="failing")


def _add_devices(market: Market, at: datetime) -> SigningDevice:
    sara = market.people["sara"]
    sender = make_signing_device(sara, at)
    start = day_start(at, 1)
    sender.send(minutes(start, 300) + minutes(start, 300, "humidity"), at)
    sender.sequence += 1
    sender.send(minutes(start + timedelta(hours=9), 60), at)
    silent, retired = make_signing_device(sara, at, "Cellar"), make_signing_device(sara, at, "Old shed")
    retire_owned_device(device=retired.device, at=at)
    given = make_signing_device(sara, at, "Attic")
    given.send(minutes(day_start(at, 1), 60), at)
    hand_over_device(device=given.device, owner=market.people["mallory"], name="Attic", country="DE", region="", at=at)
    _, market.handover_code = offer_device(device=silent.device, email=market.people["ben"].email, at=at)
    waiting = add_device(owner=sara, name="Garden", kind="air_quality", country="DE", region="Berlin", at=at)
    market.devices = {
        "enrolled": sender.device,
        "silent": silent.device,
        "retired": retired.device,
        "handed over": given.device,
        "waiting": waiting,
    }
    return sender


def _offer(market: Market, sender: SigningDevice, at: datetime) -> None:
    sara = market.people["sara"]
    fields = ["air_temperature", "humidity"]

    def consent(**terms: Any) -> Consent:
        return make_consent(sara, at, devices=[sender.device], fields=fields, **terms)

    market.consents = {
        "active": consent(purposes=["AcademicResearch", "CommercialResearch"]),
        "withdrawn": consent(),
        "named": consent(audience="named", buyer_emails=["ben@example.test"], resolution="1h", delay_seconds=3600),
    }
    active = market.consents["active"]
    market.listings = {
        "live": make_listing(sara, at, consent=active, plans=PLANS),
        "free": make_listing(sara, at, consent=active, title="Free roof weather", plans=(PlanTerms("free", 0),)),
        "withdrawn": make_listing(sara, at, consent=market.consents["withdrawn"], title="Withdrawn weather"),
        "draft": make_draft(sara, at, consent=active, title="Draft weather"),
        "running": make_listing(sara, at, consent=active, title="Running weather", plans=RUNNING),
    }
    for name in ("live", "free", "withdrawn", "running"):
        refresh_table(listing=market.listings[name], at=at)


def _order(market: Market, at: datetime) -> None:
    """More than ben has, so that he pays at the provider."""
    dear = make_listing(
        market.people["sara"],
        at,
        consent=market.consents["active"],
        title="Dear weather",
        plans=[PlanTerms("one_off", 900 * EURO)],
    )
    for state, code in (("waiting", ""), ("declined", "payment_declined"), ("refused", "price_changed")):
        order = order_listing(
            listing=dear,
            plan=dear.plans.get(),
            buyer=market.people["ben"],
            quoted_micros=900 * EURO,
            at=at,
            idempotency_key=uuid4(),
        )
        assert isinstance(order, Order)
        if code:
            Order.objects.filter(pk=order.pk).update(refused_code=code, settled_at=at)
        market.orders[state] = order


def _buy(market: Market, listing: str, kind: str, at: datetime) -> Purchase:
    plan = market.listings[listing].plans.get(kind=kind)
    return buy_listing(
        listing=plan.listing, plan=plan, buyer=market.people["ben"], quoted_micros=plan.price_micros, at=at
    )


def _trade(market: Market, at: datetime) -> None:
    ben = market.people["ben"]
    fill_wallet(ben, 20, at)
    bought = {
        "used": _buy(market, "live", "one_off", at),
        "untouched": _buy(market, "free", "free", at),
        "ended": _buy(market, "withdrawn", "one_off", at),
        "disputed": _buy(market, "live", "one_off", at),
    }
    bought |= {kind: _buy(market, "running", kind, at) for kind in ("metered", "period", "trial")}
    sequence_batch(at=at)
    market.purchases = bought
    set_cap(purchase=bought["metered"], cap_micros=2 * EURO, at=at)
    count_rows(purchase=bought["metered"], row_count=2_100, at=at)
    token, text = issue_token(purchase=bought["used"], at=at)
    market.tokens = {"used": token}
    issue_token(purchase=bought["ended"], at=at)
    grant = authorise(token=text, at=at)
    record_read(grant=grant, door=Read.Door.DELTA_SHARING, files=[], at=at)
    earlier = {"token": token, "at": at - timedelta(days=2), "row_count": 60, "byte_count": 900}
    summed_up = Read.objects.create(purchase=grant.purchase, door=Read.Door.DOWNLOAD, **earlier)
    summarise_reads(at=at)
    market.reads = {"today": Read.objects.latest("at"), "summed up": summed_up}
    withdraw_consent(consent=market.consents["withdrawn"], at=at)
    market.purchases["returned"] = _buy(market, "live", "period", at)
    refund_on_request(purchase=market.purchases["returned"], at=at)
    issue_due(at=at)
    check_books(at=at)
    market.disputes = {
        name: open_dispute(purchase=bought[purchase], reason="wrong", text="Every night reads 85 degrees.", at=at)
        for name, purchase in (("open", "used"), ("answered", "disputed"))
    }
    answer_dispute(dispute=market.disputes["answered"], text="The sensor stands in the sun.", at=at)
    market.api_keys = {"kept": create_api_key(user=ben, name="weather script", at=at)[0]}
    market.top_ups = {"pending": start_top_up(user=ben, amount_micros=7 * EURO, at=at)}
    market.payouts = paid_out(market.people["sara"], ben, at)
    market.card_refunds = _take_back(ben, at)
    market.top_ups["disputed"] = dispute_top_up(ben, at)
    reconcile(at=at)
    market.top_ups["paid"] = TopUp.objects.filter(user=ben, state=TopUp.State.PAID)[0]
    sequence_batch(at=at)


def _take_back(ben: User, at: datetime) -> dict[str, CardRefund]:
    """A euro in each state."""
    fill_wallet(ben, 8, at)
    top_up = TopUp.objects.filter(user=ben, state=TopUp.State.PAID).latest("pk")
    made = {
        state: take_back_top_up(top_up=top_up, amount_micros=EURO, idempotency_key=uuid4(), at=at)
        for state in ("requested", "paid", "failed")
    }
    for state in ("paid", "failed"):
        answer_card_refund_at_test_provider(refund=made[state], is_paid=state == "paid", at=at)
        made[state].refresh_from_db()
    return made


def _audit(market: Market, at: datetime) -> None:
    """Leave what an auditor finds after a bad day that is over: an audit, an alarm, a freeze that was lifted."""
    auditor = market.people["auditor"]
    request_audit(scope="full", by=auditor, at=at)
    continue_audit(clock=lambda: at)
    WitnessMemory.objects.get_or_create(
        name="maker", defaults={"key": "maker.invalid+00", "url": "http://127.0.0.1:1", "state": "silent"}
    )
    freeze_log(code="log_forked", sentence="Two roots of one size.", evidence={"checkpoint": "a note"}, at=at)
    lift_freeze(by="operator@example.test", reason="It was a drill.", at=at)
    record_visit(visitor=auditor.public_id, subject="GET Entry 0", address="/admin/ledger/entry/0/change/", at=at)


def _leave_waiting(market: Market, at: datetime) -> None:
    """What is not in the log yet: no worker runs beside the walk."""
    market.purchases["waiting"] = _buy(market, "live", "period", at)
    market.listings["waiting"] = make_listing(
        market.people["sara"], at, consent=market.consents["active"], title="Just published", is_recorded=False
    )


def _make_accounts_interesting(market: Market) -> None:
    """A letter in the mailbox, an address that is not verified yet, and a second factor for mallory."""
    mailbox = get_connection("django.core.mail.backends.filebased.EmailBackend", file_path=str(settings.MAIL_FOLDER))
    EmailMessage("Hello", "A letter.", to=["ben@example.test"], connection=mailbox).send()
    EmailAddress.objects.create(user=market.people["sara"], email="sara.second@example.test", verified=False)
    TOTP.activate(market.people["mallory"], generate_totp_secret())
    RecoveryCodes.activate(market.people["mallory"])
