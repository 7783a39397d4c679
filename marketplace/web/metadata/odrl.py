"""A listing's plans as ODRL offers, in the words and the shape of the Dataspace Protocol's contracts. Pure.

Sources: W3C ODRL Information Model and Vocabulary; Eclipse Dataspace Protocol 2025-1, contract schema.
"""

from typing import Any

from marketplace.web.metadata.facts import DatasetFacts, PlanFacts
from marketplace.web.metadata.terms import AUTHORITY, amount, duration, instant

WITHDRAWAL = "https://w3id.org/dpv#WithdrawConsent"
# For documents in other words, which carry an offer inside.
CONTEXT: dict[str, Any] = {
    "@vocab": "http://www.w3.org/ns/odrl/2/",
    "action": {"@type": "@vocab"},
    "leftOperand": {"@type": "@vocab"},
    "operator": {"@type": "@vocab"},
    "unit": {"@type": "@id"},
}


def offers(facts: DatasetFacts) -> list[dict[str, Any]]:
    """One for each plan that anybody may buy; all of them have the consent's purposes and end."""
    return [_offer(facts, plan) for plan in facts.plans]


def _offer(facts: DatasetFacts, plan: PlanFacts) -> dict[str, Any]:
    limits = [
        _constraint("purpose", "isAnyOf", list(facts.purposes)),
        _constraint("dateTime", "lteq", instant(facts.ends_at)),
    ]
    if plan.lasts is not None:
        limits.append(_constraint("elapsedTime", "lteq", duration(plan.lasts)))
    if plan.rows is not None:
        limits.append(_constraint("count", "lteq", str(plan.rows)))
    permission: dict[str, Any] = {"action": "use", "constraint": limits}
    if plan.price:
        permission["duty"] = [{"action": "compensate", "constraint": _price(plan)}]
    return {
        "@id": plan.identifier,
        "@type": "Offer",
        "permission": [permission],
        "prohibition": [{"action": "distribute"}],
        # Whoever bought deletes what he has when the owner withdraws.
        "obligation": [{"action": "delete", "constraint": [_constraint("event", "eq", WITHDRAWAL)]}],
    }


def _price(plan: PlanFacts) -> list[dict[str, Any]]:
    pay = _constraint("payAmount", "eq", amount(plan.price)) | {"unit": f"{AUTHORITY}currency/{plan.currency}"}
    return [pay, _constraint("unitOfCount", "eq", "1000 rows")] if plan.is_by_use else [pay]


def _constraint(left: str, operator: str, right: str | list[str]) -> dict[str, Any]:
    return {"leftOperand": left, "operator": operator, "rightOperand": right}
