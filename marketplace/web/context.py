"""What every page has: the navigation, the theme, and how much of the inbox is unread."""

from functools import cache, partial
from typing import Any, NamedTuple, cast

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from marketplace.accounts.models import User
from marketplace.notices.services import unread_count

THEMES = {"light", "dark"}
# Label, URL name.
VISITOR_LINKS = (("Catalogue", "catalogue"), ("The log", "log_explorer"))
MEMBER_LINKS = (
    ("Home", "home"),
    ("Catalogue", "catalogue"),
    ("Devices", "device_list"),
    ("Consents", "consent_list"),
    ("Listings", "listing_list"),
    ("Purchases", "purchase_list"),
)
# Label, URL name, icon.
ACCOUNT_LINKS = (
    ("Wallet", "wallet", "wallet"),
    ("Earnings", "sales", "trending-up"),
    ("Invoices", "invoice_list", "scroll-text"),
    ("Profile", "account_settings", "user-round"),
    ("Letters", "notice_settings", "mail"),
    ("E-mail addresses", "account_email", "mail"),
    ("Password", "account_change_password", "key-round"),
    ("Second factor and passkeys", "mfa_index", "shield-check"),
    ("API keys", "api_keys", "scroll-text"),
)
STAFF_LINKS = (("Admin panel", "admin:index", "file-check"),)
FOOTER_LINKS = (
    ("The log", "log_explorer"),
    ("Check a receipt", "log_verification"),
    ("Check data", "origin_verification"),
    ("API", "api_docs"),
    ("Health", "health"),
)
EMBEDDED_LINKS = (("Mail of this run", "mail_list"),)


class Link(NamedTuple):
    label: str
    address: str
    icon: str = ""


def links(rows: tuple[tuple[str, ...], ...]) -> list[Link]:
    return [Link(label, reverse(name), *icon) for label, name, *icon in rows]


def page_context(request: HttpRequest) -> dict[str, Any]:
    is_member = hasattr(request, "user") and request.user.is_authenticated
    is_staff = is_member and request.user.is_staff
    theme = request.COOKIES.get("theme", "")
    return {
        # Asked only where the header shows it: a fragment costs no query.
        "unread_count": cache(partial(unread_count, cast(User, request.user))) if is_member else 0,
        "theme": theme if theme in THEMES else "",
        "nav_links": links(MEMBER_LINKS if is_member else VISITOR_LINKS),
        "account_links": links((*ACCOUNT_LINKS, *(STAFF_LINKS if is_staff else ()))) if is_member else [],
        # Where a letter is to be read in the embedded run.
        "mail_address": reverse("mail_list") if settings.IS_EMBEDDED else "",
        "footer_links": links((*FOOTER_LINKS, *(EMBEDDED_LINKS if settings.IS_EMBEDDED else ()))),
    }
