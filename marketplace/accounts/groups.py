"""What staff may do. Auditors look at the ledger and verify it; operators also look at people, offers and money.

Django makes permissions after all migrations ran, in a post_migrate receiver of its own, so a data migration cannot
name them on a fresh database. This receiver comes after that one, once for each app, after every `migrate`. It only
ever adds: what an administrator gave besides is left alone.
"""

from typing import Any

from django.apps import AppConfig
from django.apps.registry import Apps
from django.db import DEFAULT_DB_ALIAS
from django.db.models import Q

AUDITOR = "Auditor"
OPERATOR = "Operator"

_LEDGER = {"ledger"}
_MARKET = {"devices", "accounts", "notices", "wallet", "consents", "listings", "purchases", "disputes", "invoices"}
APPS_SEEN = {AUDITOR: _LEDGER, OPERATOR: _LEDGER | _MARKET}
# The secrets behind the log's commitments are for nobody's eyes; neither are the hashes of codes and API keys.
_NEVER = ["view_commitmentsecret", "view_apikey", "view_claimcode"]

# Who looked at what is not for those who look.
_OF_OPERATORS = ["view_auditvisit"]


def grant_permissions(sender: AppConfig, using: str = DEFAULT_DB_ALIAS, apps: Apps | None = None, **_: Any) -> None:
    """Give both groups what they may do in one app: look at everything, verify the log, and decide disputes."""
    if apps is None or sender.label not in APPS_SEEN[OPERATOR]:
        return
    # In the middle of a migration history the tables may not be there yet.
    if not {"group", "permission"} <= {model.__name__.lower() for model in apps.get_models() if _is_auth(model)}:
        return
    permissions = (
        apps.get_model("auth", "Permission")
        .objects.using(using)
        .filter(content_type__app_label=sender.label)
        .filter(Q(codename__startswith="view_") | Q(codename__in=["verify_log", "decide_dispute"]))
        .exclude(codename__in=_NEVER)
    )
    for name, labels in APPS_SEEN.items():
        if sender.label in labels:
            group, _created = apps.get_model("auth", "Group").objects.using(using).get_or_create(name=name)
            group.permissions.add(*permissions.exclude(codename__in=_OF_OPERATORS if name == AUDITOR else []))


def _is_auth(model: Any) -> bool:
    return model._meta.app_label == "auth"
