"""The catalogue as participants of a dataspace read it: Eclipse Dataspace Protocol 2025-1, catalog protocol. Pure.

It says what is offered and on which terms. Contracts are not negotiated there: the market's own pages and API sell.
"""

from collections.abc import Sequence
from typing import Any

from marketplace.web.metadata.facts import DatasetFacts, MarketFacts
from marketplace.web.metadata.odrl import offers

CONTEXT = ["https://w3id.org/dspace/2025/1/context.jsonld"]
FORMAT = "DeltaSharing-PULL"


def catalog(found: Sequence[DatasetFacts], market: MarketFacts) -> dict[str, Any]:
    content: dict[str, Any] = {
        "@context": CONTEXT,
        "@id": market.catalogue,
        "@type": "Catalog",
        "participantId": market.home,
        "service": [_service(market)],
    }
    # The schema knows no empty list.
    return content | ({"dataset": [_dataset(facts, market) for facts in found]} if found else {})


def dataset(facts: DatasetFacts, market: MarketFacts) -> dict[str, Any]:
    return {"@context": CONTEXT, **_dataset(facts, market)}


def _dataset(facts: DatasetFacts, market: MarketFacts) -> dict[str, Any]:
    return {
        "@id": facts.identifier,
        "@type": "Dataset",
        "hasPolicy": offers(facts),
        "distribution": [{"@type": "Distribution", "format": FORMAT, "accessService": _service(market)}],
    }


def _service(market: MarketFacts) -> dict[str, Any]:
    return {"@id": market.sharing, "@type": "DataService", "endpointURL": market.sharing}
