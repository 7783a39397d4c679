"""Every HTML page and the states of it worth looking at: who opens it, at which address, after doing what."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.apps import apps
from django.urls import URLResolver, get_resolver, reverse
from playwright.sync_api import FilePayload, Page

from ledger.models import Checkpoint
from tests.builders_origin import Origin, csv_of
from tests.builders_receipts import POLICY, SmallLog
from tests.conftest import PASSWORD
from tests.journey.market import Market
from tests.journey.pages_buying import buying_pages
from tests.journey.pages_devices import device_pages
from tests.journey.pages_notices import notice_pages
from tests.journey.people import add_passkey, fill_in, plug_in_authenticator, send_form
from tests.journey.visits import Act, Visit, send_empty, visit

# Signed by devices and noted in a log that exist in memory only.
SIGNED = Origin([(1, 1, [(minute, "air_temperature", 20.25 + minute / 8) for minute in range(5)], {})])

# Addresses that never give a page for people to look at, by the reason.
NOT_PAGES = {
    "what programs ask every site for": "favicon robots sitemap sitemap_part (dataspace_)?catalog sample_file "
    r"listing_\w+\.json(ld)?",
    "takes only POST": "device_claim listing_publication token_create token_rotation profile_download top_up_create "
    "top_up_outcome api_key_create payee_create payout_schedule payout_answer notice_reading notices_reading "
    "card_refund_answer dispute_answer earnings_move device_handover_withdrawal device_takeover_acceptance "
    "order_create purchase_renewal purchase_cap purchase_stop purchase_evidence "
    "webhook_create webhook_test webhook_activation delivery_replay",
    "a fragment of a page": "device_status listing_status listing_quotes purchase_status purchase_news download_status "
    "admin:ledger_auditrun_progress",
    "a file or JSON": "health(_live)? consent_(record|schema) (statement|read|usage)_file read_proof reading_batch "
    "log_checkpoint log_policy log_vkey log_receipt log_tile log_entry_bytes log_entry_bundle api_schema "
    "mfa_download_recovery_codes mfa_login_webauthn invoice_file purchase_live_link purchase_file "
    "admin:jsi18n admin:autocomplete",
    "for machines": "live_stream evidence_file file_proof readings_file sharing_.* payment_webhook device_nonce "
    "device_enrolment device_batches_upload oauth_.* None .*:None",
    "switched off or a redirect": "log_entries account_set_password account_confirm_login_code admin:login "
    "admin:logout admin:view_on_site admin:password_change(_done)?",
    # Nobody but a superuser, whom an installation need not have, adds or changes anything there.
    "refused to every role": "admin:.*_(add|delete|history) admin:auth_.* admin:account_emailaddress_.* "
    "admin:mfa_authenticator_.* admin:auth_user_password_change",
}


def is_page(name: str) -> bool:
    return not any(re.fullmatch(pattern, name) for text in NOT_PAGES.values() for pattern in text.split())


def named_urls(patterns: list[Any] | None = None, namespace: str = "") -> Iterator[str]:
    """Every name in the URLconf, with its namespace."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(pattern, URLResolver):
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from named_urls(pattern.url_patterns, inner)
        else:
            yield f"{namespace}{pattern.name}"


def visits_of(market: Market) -> list[Visit]:
    return [
        *visitor_pages(market),
        *device_pages(market),
        *consent_pages(market),
        *selling_pages(market),
        *buying_pages(market),
        *notice_pages(market),
        *dispute_pages(market),
        *account_pages(market),
        *staff_pages(market),
    ]


def visitor_pages(market: Market) -> Iterator[Visit]:
    live, withdrawn = market.listings["live"].public_id, market.listings["withdrawn"].public_id
    yield visit("visitor", "landing")
    yield visit("visitor", "catalogue")
    yield visit("visitor", "catalogue", query="?q=roof&category=weather&price=free", state="narrowed")
    yield visit("visitor", "catalogue", query="?q=zeppelin", state="nothing found")
    yield visit("visitor", "listing_page", live)
    yield visit("visitor", "listing_page", withdrawn, state="withdrawn", status=404)
    yield visit("visitor", "api_docs")
    yield visit("visitor", "log_entry", market.ledger_rows["entry"])
    yield visit("visitor", "log_explorer")
    yield visit("visitor", "log_explorer", state="no entry fits", query="?until=2001-01-01T00:00")
    yield visit("visitor", "log_explorer", state="by day", query="?rate=month&kind=consent.granted")
    yield visit("visitor", "log_explorer", state="no such entry", query="?entry=999999", status=422)
    yield from checking_pages()
    for url in ("account_login", "account_signup", "account_reset_password"):
        yield visit("visitor", url)
    yield visit("visitor", "account_login", state="refused", act=send_empty("password"))
    yield visit("visitor", "account_signup", state="refused", act=send_empty("password1"))
    yield visit("visitor", "mail_list")
    yield Visit("visitor", "mail_page", reverse("mail_list"), act=open_letter)
    yield Visit("visitor", "404", "/nothing-is-here/", status=404)


def checking_pages() -> Iterator[Visit]:
    yield visit("visitor", "log_verification")
    yield visit("visitor", "log_verification", state="refused", act=send_empty("receipt"))
    yield visit("visitor", "log_verification", state="good", act=check_receipt_of_first_entry)
    yield visit("visitor", "log_verification", state="bad", act=check_nonsense)
    yield visit("visitor", "log_verification", state="of another log", act=check_receipt_of_another_log)
    yield visit("visitor", "origin_verification")
    yield visit("visitor", "origin_verification", state="refused", act=send_empty("download"))
    yield visit("visitor", "origin_verification", state="good", act=check_download)
    yield visit("visitor", "origin_verification", state="bad", act=check_changed_download)


def check_receipt_of_first_entry(page: Page) -> None:
    send_receipt(page, page.request.get(reverse("log_receipt", args=[0])).text())


def check_nonsense(page: Page) -> None:
    send_receipt(page, "not a receipt")


def check_receipt_of_another_log(page: Page) -> None:
    send_receipt(page, SmallLog.of_size(3).receipt(1).text())


def send_receipt(page: Page, text: str) -> None:
    send_form(fill_in(page, {"receipt_text": text}))
    page.locator("#verdict").wait_for()


def check_download(page: Page) -> None:
    send_download(page, csv_of(SIGNED.table()))


def check_changed_download(page: Page) -> None:
    send_download(page, csv_of(SIGNED.table()).replace(b"20.25", b"20.5"))


def send_download(page: Page, table: bytes) -> None:
    files = {"download": ("data.csv", table), "evidence": ("data.evidence.jsonl", SIGNED.evidence())}
    for name, (file_name, content) in files.items():
        chosen = FilePayload(name=file_name, mimeType="text/plain", buffer=content)
        page.locator(f"[name={name}]").set_input_files(chosen)
    page.locator("[data-drop-form] summary").click()
    send_form(fill_in(page, {"policy": POLICY.text()}))
    page.locator("#verdict").wait_for()


def open_letter(page: Page) -> None:
    page.locator("main").get_by_role("link", name="Hello").first.click()
    page.get_by_text("A letter.").first.wait_for()


def consent_pages(market: Market) -> Iterator[Visit]:
    yield visit("sara", "consent_list")
    yield visit("ben", "consent_list", state="empty")
    yield visit("sara", "consent_add")
    yield visit("sara", "consent_add", state="refused", act=send_empty("purposes"))
    yield visit("ben", "consent_add", state="without devices")
    for state, consent in market.consents.items():
        yield visit("sara", "consent_page", consent.public_id, state=state)
    shown = market.consents["active"].public_id
    yield visit("sara", "consent_disclosure", shown)
    yield visit("sara", "consent_disclosure", shown, state="refused", act=send_empty("understood"))
    yield visit("sara", "consent_narrowing", shown, state="refused", act=send_empty("valid_until"))
    for url in ("consent_receipt", "consent_narrowing", "consent_withdrawal"):
        for state in ("active", "withdrawn"):
            yield visit("sara", url, market.consents[state].public_id, state=state)


def selling_pages(market: Market) -> Iterator[Visit]:
    draft = market.listings["draft"].public_id
    yield visit("sara", "home")
    yield visit("sara", "listing_list")
    yield visit("ben", "listing_list", state="empty")
    yield visit("sara", "listing_add")
    yield visit("sara", "listing_add", state="refused", act=send_empty("title"))
    yield visit("ben", "listing_add", state="without a consent")
    for url in ("listing_text", "listing_terms", "listing_preview", "listing_deletion"):
        yield visit("sara", url, draft)
    yield Visit("sara", "405", reverse("listing_quotes", args=[draft]), status=405)
    yield visit("sara", "listing_terms", draft, state="refused", act=send_empty("one_off_price"))
    for state in ("live", "waiting", "withdrawn"):
        yield visit("sara", "own_listing", market.listings[state].public_id, state=state)
    plan = market.listings["live"].plans.exclude(kind="free")[0].public_id
    yield visit("sara", "plan_price", market.listings["live"].public_id, plan)
    yield visit("sara", "plan_retirement", market.listings["live"].public_id, plan)
    yield visit("sara", "plan_add", market.listings["live"].public_id)
    yield visit("sara", "plan_add", market.listings["live"].public_id, state="refused", act=send_empty("one_off_price"))
    yield visit("sara", "offer_create", market.listings["live"].public_id)
    yield visit("sara", "offer_create", market.listings["live"].public_id, state="refused", act=send_empty("email"))
    yield visit("sara", "listing_withdrawal", market.listings["live"].public_id)
    for state in ("now", "ended", "all"):
        yield visit("sara", "access_list", query=f"?state={state}", state=state)
    for url in ("sales", "money", "payout_list", "sale_list", "read_list", "access_list"):
        yield visit("sara", url)
        yield visit("ben", url, state="empty")
    yield visit("sara", "payout_add", query="?amount=6.00")
    yield visit("sara", "payout_add", query="?amount=1.00", state="refused", status=422)
    for state, payout in market.payouts.items():
        yield visit("sara", "payout_page", payout.public_id, state=state)


def dispute_pages(market: Market) -> Iterator[Visit]:
    used, waiting = market.purchases["used"].public_id, market.purchases["waiting"].public_id
    for person in ("ben", "sara"):
        yield visit(person, "purchase_dispute", used, state="open")
        yield visit(person, "dispute_list")
    yield visit("mallory", "dispute_list", state="empty")
    yield visit("sara", "purchase_dispute", used, state="refused", act=send_empty("text"))
    yield visit("ben", "purchase_dispute", market.purchases["disputed"].public_id, state="answered")
    yield visit("ben", "purchase_dispute", waiting, state="opening")
    yield visit("ben", "purchase_dispute", waiting, state="refused opening", act=send_empty("text"))
    yield visit("ben", "dispute_closing", market.disputes["open"].public_id)
    yield visit("ben", "purchase_refund", waiting)
    yield visit("ben", "purchase_refund", used, state="refused")
    for name in ("open", "answered"):
        yield visit("operator", "admin:disputes_dispute_decision", market.disputes[name].pk, state=name)


def make_api_key(page: Page) -> None:
    send_form(fill_in(page, {"name": "office server"}))
    page.locator("#secret-value").wait_for()


def account_pages(market: Market) -> Iterator[Visit]:
    yield visit("ben", "landing", state="member")
    yield visit("ben", "account_settings")
    yield visit("ben", "billing_settings")
    yield visit("mallory", "invoice_list", state="empty")
    yield visit("mallory", "settlement_list", state="empty")
    for document in market.invoices:
        yield visit("ben", "invoice_page", document.public_id)
    yield visit("ben", "invoice_list")
    yield visit("ben", "billing_settings", state="refused", act=send_empty("name"))
    yield visit("ben", "account_erasure", state="with money")
    yield visit("mallory", "account_erasure")
    yield visit("mallory", "account_erasure", state="refused", act=send_empty("address"))
    yield visit("visitor", "account_erased")
    yield visit("ben", "api_keys")
    yield visit("ben", "api_keys", state="key shown", act=make_api_key)
    yield visit("ben", "api_key_revocation", market.api_keys["kept"].public_id)
    for url in ("account_email", "account_change_password", "account_logout", "account_reauthenticate", "mfa_index"):
        yield visit("ben", url)
    yield visit("sara", "account_email", state="not verified")
    yield visit("ben", "account_change_password", state="refused", act=send_empty("oldpassword"))
    for url in ("mfa_activate_totp", "mfa_list_webauthn", "mfa_add_webauthn"):
        yield visit("ben", url)
    yield visit("ben", "admin:index", state="refused", status=403, moves_on=True)
    yield from letter_pages(market)
    yield from second_factor_pages()


def letter_pages(market: Market) -> Iterator[Visit]:
    """The pages that links in letters open, and those that follow on sending one."""
    ben = market.people["ben"]
    yield Visit("visitor", "account_email_verification_sent", reverse("account_signup"), act=sign_up_anew)
    yield visit("visitor", "account_email_verification_sent", state="refused", act=send_wrong_code)
    # While the code is waited for, logging in and signing up lead there.
    yield visit("visitor", "account_email_verification_sent", state="left", act=take_another_address)
    link = (user_pk_to_url_str(ben), default_token_generator.make_token(ben))
    yield visit("visitor", "account_reset_password_from_key", *link, moves_on=True)
    yield visit("visitor", "account_reset_password_from_key", link[0], "stale", state="stale")
    for url in (
        "account_reset_password_done",
        "account_reset_password_from_key_done",
        "account_inactive",
    ):
        yield visit("visitor", url)


def sign_up_anew(page: Page) -> None:
    send_form(fill_in(page, {"email": "new@example.test", "password1": PASSWORD}))
    page.wait_for_url("**/confirm-email/")


def send_wrong_code(page: Page) -> None:
    send_form(fill_in(page, {"code": "BBBB-BBBB"}))
    page.locator(".error-summary").wait_for()


def take_another_address(page: Page) -> None:
    page.get_by_role("button", name="Use another address").click()
    page.wait_for_url(f"**{reverse('account_signup')}")


def second_factor_pages() -> Iterator[Visit]:
    yield Visit("visitor", "mfa_authenticate", reverse("account_login"), act=give_password)
    passkeys = reverse("mfa_list_webauthn")
    yield Visit("mallory", "mfa_list_webauthn", passkeys, state="with a passkey", act=make_passkey)
    yield Visit("mallory", "mfa_edit_webauthn", passkeys, act=follow_link("Rename"))
    yield Visit("mallory", "mfa_remove_webauthn", passkeys, act=follow_link("Remove"))
    yield visit("mallory", "mfa_reauthenticate_webauthn")
    for url in (
        "mfa_index",
        "mfa_reauthenticate",
        "mfa_deactivate_totp",
        "mfa_view_recovery_codes",
        "mfa_generate_recovery_codes",
    ):
        yield visit("mallory", url)


def make_passkey(page: Page) -> None:
    plug_in_authenticator(page)
    add_passkey(page, "Laptop")
    page.goto(reverse("mfa_list_webauthn"))


def follow_link(name: str) -> Act:
    def act(page: Page) -> None:
        address = page.url
        page.locator("main").get_by_role("link", name=name).first.click()
        page.wait_for_url(lambda url: url != address)

    return act


def give_password(page: Page) -> None:
    """The first half of logging in, as one who has a second factor."""
    send_form(fill_in(page, {"login": "mallory@example.test", "password": PASSWORD}))
    page.wait_for_url("**/2fa/authenticate/")


def staff_pages(market: Market) -> Iterator[Visit]:
    yield visit("auditor", "admin:index")
    yield visit("auditor", "admin:app_list", "ledger")
    for model, row in market.ledger_rows.items():
        yield visit("auditor", f"admin:ledger_{model}_changelist")
        yield visit("auditor", f"admin:ledger_{model}_change", row)
    yield visit("auditor", "admin:ledger_entry_changelist", query="?kind=consent.granted", state="narrowed")
    yield visit("auditor", "admin:ledger_evidence")
    yield visit("auditor", "admin:ledger_reconciliation")
    yield visit("auditor", "admin:ledger_comparison")
    older, newer = Checkpoint.objects.exclude(size=0).order_by("size").values_list("size", flat=True)[:2]
    yield visit("auditor", "admin:ledger_comparison", state="compared", query=f"?first={older}&second={newer}")
    yield visit("auditor", "admin:ledger_comparison", state="refused", query="?first=0&second_note=x", status=422)
    yield visit("auditor", "admin:ledger_verification")
    yield visit("auditor", "admin:ledger_verification", state="verified", act=verify)
    yield visit("operator", "admin:app_list", "ledger", state="operator")
    yield visit("operator", "admin:ledger_auditvisit_changelist")
    yield visit("operator", "admin:ledger_auditvisit_change", market.visit.pk)
    yield visit("operator", "admin:index", state="operator")
    for name in named_urls():
        found = re.fullmatch(r"admin:([a-z]+)_([a-z]+)_changelist", name)
        if found and found[1] != "ledger" and is_page(name):
            row = apps.get_model(found[1], found[2])._default_manager.first()
            assert row, f"The market needs a row for {name}."
            yield visit("operator", name)
            yield visit("operator", f"admin:{found[1]}_{found[2]}_change", row.pk)


def verify(page: Page) -> None:
    page.get_by_role("button", name="Verify the whole log").click()
    # No worker runs beside the walk.
    page.get_by_text("Waits for a worker").first.wait_for()
