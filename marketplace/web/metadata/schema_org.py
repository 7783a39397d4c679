"""A listing as search engines read it: schema.org's Dataset. Pure. Source: schema.org; Google's dataset guidelines."""

from typing import Any

from marketplace.web.metadata.facts import ColumnFacts, DatasetFacts, MarketFacts, PlanFacts
from marketplace.web.metadata.terms import amount, instant, without_nothing


def dataset(facts: DatasetFacts, market: MarketFacts) -> dict[str, Any]:
    content = {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "@id": facts.page,
        "url": facts.page,
        "identifier": facts.identifier,
        "name": facts.title,
        "description": facts.summary,
        "keywords": list(facts.keywords),
        "license": facts.licence,
        "creator": {"@type": "Person", "name": facts.seller},
        "publisher": {"@type": "Organization", "name": market.name, "url": market.home},
        "includedInDataCatalog": {"@type": "DataCatalog", "name": market.name, "url": market.catalogue},
        "datePublished": instant(facts.published_at),
        "dateModified": instant(facts.changed_at),
        "temporalCoverage": _coverage(facts),
        "spatialCoverage": {"@type": "Place", "name": facts.country_name} if facts.country else None,
        "isAccessibleForFree": any(not plan.price for plan in facts.plans),
        "variableMeasured": [_variable(column) for column in facts.columns if column.kind == "double"],
        "distribution": [{"@type": "DataDownload", "encodingFormat": "text/csv", "contentUrl": facts.sample}],
        "offers": [_offer(plan) for plan in facts.plans],
    }
    return without_nothing(content)


def _coverage(facts: DatasetFacts) -> str | None:
    if facts.first_at is None:
        return None
    return f"{instant(facts.first_at)}/.."


def _variable(column: ColumnFacts) -> dict[str, Any]:
    about = {"@type": "PropertyValue", "name": column.name, "alternateName": column.field, "unitText": column.unit}
    return without_nothing(about)


def _offer(plan: PlanFacts) -> dict[str, Any]:
    price: dict[str, Any] = {
        "@type": "UnitPriceSpecification",
        "price": amount(plan.price),
        "priceCurrency": plan.currency,
    }
    if plan.is_by_use:
        price["referenceQuantity"] = {"@type": "QuantitativeValue", "value": 1000, "unitText": "rows"}
    return {
        "@type": "Offer",
        "name": plan.name,
        "url": plan.address,
        "availability": "https://schema.org/InStock",
        "priceSpecification": price,
        **({} if plan.is_by_use else {"price": amount(plan.price), "priceCurrency": plan.currency}),
    }
