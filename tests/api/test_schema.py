"""Whatever fits the API's own description, and whatever does not, is answered as it says, and never by a crash.

FUZZ_EXAMPLES=300 asks each operation that often, for each person and kind; `-s` shows what was answered.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import schemathesis
from django.core.cache import cache
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections, transaction
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from marketplace.access.models import AccessToken
from marketplace.accounts.services import create_api_key
from marketplace.listings.models import Plan
from marketplace.notices.models import WebhookDelivery
from tests.journey.market import Market, make_market

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "2"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]


@pytest.fixture
def market(db: None) -> Iterator[Market]:
    """No request ends the connection that the test's transaction is on."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield make_market(timezone.now() - timedelta(seconds=5))
    for signal in signals:
        signal.connect(close_old_connections)


def ids_of(market: Market) -> dict[str, list[str]]:
    """What is there, by the segment of a path or the field of a body that names one."""
    rows: dict[str, Any] = {
        "consents": market.consents.values(),
        "devices": market.devices.values(),
        "disputes": market.disputes.values(),
        "invoices": market.invoices,
        "listings": market.listings.values(),
        "notices": list(market.notices.values())[:3],
        "payouts": market.payouts.values(),
        "plan_id": Plan.objects.all(),
        "purchases": market.purchases.values(),
        "tokens": AccessToken.objects.all(),
        "top-ups": market.top_ups.values(),
        "webhooks": market.webhooks.values(),
        "delivery_id": WebhookDelivery.objects.all()[:3],
    }
    found = {name: sorted(str(row.public_id) for row in some) for name, some in rows.items()}
    return found | {"catalogue": found["listings"]}


def described(ids: dict[str, list[str]]) -> dict[str, Any]:
    """The API's own description, with ids of what is there: of random ones it would only say that they are not."""
    document: dict[str, Any] = SchemaGenerator().get_schema(request=None, public=True)
    for path, acts in document["paths"].items():
        segments = path.split("/")
        for act in acts.values():
            for parameter in act.get("parameters", ()):
                if parameter["in"] == "path":
                    name = parameter["name"]
                    before = segments[segments.index(f"{{{name}}}") - 1]
                    parameter["schema"] = {"type": "string", "enum": ids[name if name in ids else before]}
    bodies = document["components"]["schemas"]
    bodies["PurchaseIn"]["properties"]["listing"]["enum"] = ids["listings"]
    bodies["PurchaseIn"]["properties"]["plan"]["enum"] = ids["plan_id"]
    bodies["NewListingIn"]["properties"]["consent"]["enum"] = ids["consents"]
    bodies["ConsentIn"]["properties"]["devices"]["items"]["enum"] = ids["devices"]
    return document


def ask(operation: APIOperation, mode: GenerationMode, headers: dict[str, str], seen: Counter[int]) -> None:
    """Ask an operation often, each time of the same market."""

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def one(case: Case) -> None:
        cache.clear()
        with transaction.atomic():
            answer = case.call(headers=headers)
            transaction.set_rollback(True)
        seen[answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)

    one()


@pytest.mark.parametrize("who", ["sara", "ben", ""])
def test_every_operation_answers_as_described(market: Market, who: str) -> None:
    schema = schemathesis.openapi.from_dict(described(ids_of(market)))
    schema.app = get_wsgi_application()
    headers = {"Host": "testserver"}
    if who:
        headers["Authorization"] = (
            f"Bearer {create_api_key(user=market.people[who], name='fuzz', at=timezone.now())[1]}"
        )
    seen: Counter[int] = Counter()
    wrong = []
    for result in schema.get_all_operations():
        operation = result.ok()
        for mode in MODES:
            try:
                ask(operation, mode, headers, seen)
            except Unsatisfiable:
                # Nothing that could be sent is not as described.
                assert mode is GenerationMode.NEGATIVE, operation.label
            except FailureGroup as error:
                wrong.append(f"{operation.label}, {mode.value}: {error.exceptions}")
    print(f"{who or 'nobody'}: {seen.total()} requests, {dict(sorted(seen.items()))}")
    assert not wrong, "\n\n".join(wrong)
