"""Listings in DCAT-AP 3, as JSON-LD, alone and as a catalogue that comes in pages. Pure.

Sources: SEMIC DCAT-AP 3.0; W3C DCAT 3; Hydra core for the pages.
"""

from collections.abc import Sequence
from typing import Any

from marketplace.web.metadata import odrl
from marketplace.web.metadata.facts import DatasetFacts, MarketFacts
from marketplace.web.metadata.terms import AUTHORITY, THEMES, duration, instant, without_nothing

MEDIA_TYPES = "https://www.iana.org/assignments/media-types/"
PROTOCOL = "https://github.com/delta-io/delta-sharing/blob/main/PROTOCOL.md"
CONTEXT: dict[str, Any] = {
    "adms": "http://www.w3.org/ns/adms#",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "hydra": "http://www.w3.org/ns/hydra/core#",
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}


def dataset_document(facts: DatasetFacts, market: MarketFacts) -> dict[str, Any]:
    return {"@context": CONTEXT, "@graph": [_dataset(facts, market), _service(market)]}


def catalogue_document(
    found: Sequence[DatasetFacts], market: MarketFacts, *, this_page: str, next_page: str | None
) -> dict[str, Any]:
    """One page of the catalogue. this_page and next_page: their addresses; None on the last one."""
    page = {
        "@id": this_page,
        "@type": "hydra:PartialCollectionView",
        "hydra:first": {"@id": market.catalogue},
        "hydra:next": None if next_page is None else {"@id": next_page},
    }
    catalogue = {
        "@id": market.catalogue,
        "@type": ["dcat:Catalog", "hydra:Collection"],
        "dct:title": _english(f"The catalogue of {market.name}"),
        "dct:description": _english("The data of connected devices, sold by their owners on their own terms."),
        "dct:publisher": _agent(market.home, market.name),
        "dct:language": _concept("language/ENG", "dct:LinguisticSystem"),
        "foaf:homepage": {"@id": market.home, "@type": "foaf:Document"},
        "dcat:service": {"@id": market.sharing},
        "dcat:dataset": [{"@id": facts.page} for facts in found],
        "hydra:view": without_nothing(page),
    }
    graph = [without_nothing(catalogue), _service(market), *(_dataset(facts, market) for facts in found)]
    return {"@context": CONTEXT, "@graph": graph}


def _dataset(facts: DatasetFacts, market: MarketFacts) -> dict[str, Any]:
    dataset = {
        "@id": facts.page,
        "@type": "dcat:Dataset",
        "dct:identifier": facts.identifier,
        "dct:title": _english(facts.title),
        "dct:description": _english(facts.summary),
        "dcat:keyword": [_english(keyword) for keyword in facts.keywords],
        "dcat:theme": _concept(f"data-theme/{THEMES[facts.category]}", "skos:Concept"),
        "dct:publisher": _agent(market.home, market.name),
        "dct:creator": {"@type": "foaf:Agent", "foaf:name": facts.seller},
        "dct:issued": _time(instant(facts.published_at)),
        "dct:modified": _time(instant(facts.changed_at)),
        "dct:temporal": _temporal(facts),
        "dct:spatial": _place(facts),
        "dct:accessRights": _concept("access-right/RESTRICTED", "dct:RightsStatement"),
        "dct:accrualPeriodicity": _concept("frequency/CONT", "dct:Frequency"),
        "dcat:temporalResolution": _typed(duration(facts.resolution), "duration") if facts.resolution else None,
        "dcat:landingPage": {"@id": facts.page, "@type": "foaf:Document"},
        "odrl:hasPolicy": [{"@context": odrl.CONTEXT, **offer} for offer in odrl.offers(facts)],
        "adms:sample": {"@id": f"{facts.page}#sample"},
        "dcat:distribution": [_shared(facts, market), _sample(facts)],
    }
    return without_nothing(dataset)


def _shared(facts: DatasetFacts, market: MarketFacts) -> dict[str, Any]:
    return {
        "@id": f"{facts.page}#delta-sharing",
        "@type": "dcat:Distribution",
        "dct:title": _english("All rows, by Delta Sharing"),
        "dcat:accessURL": {"@id": facts.page},
        "dcat:accessService": {"@id": market.sharing},
        "dct:format": _concept("file-type/PARQUET", "dct:MediaTypeOrExtent"),
        "dct:license": _licence(facts),
    }


def _sample(facts: DatasetFacts) -> dict[str, Any]:
    return {
        "@id": f"{facts.page}#sample",
        "@type": "dcat:Distribution",
        "dct:title": _english("Sample rows, for everybody"),
        "dcat:accessURL": {"@id": facts.sample},
        "dcat:downloadURL": {"@id": facts.sample},
        "dcat:mediaType": {"@id": f"{MEDIA_TYPES}text/csv", "@type": "dct:MediaType"},
        "dct:format": _concept("file-type/CSV", "dct:MediaTypeOrExtent"),
        "dct:license": _licence(facts),
    }


def _service(market: MarketFacts) -> dict[str, Any]:
    return {
        "@id": market.sharing,
        "@type": "dcat:DataService",
        "dct:title": _english("Delta Sharing"),
        "dcat:endpointURL": {"@id": market.sharing},
        "dct:conformsTo": {"@id": PROTOCOL, "@type": "dct:Standard"},
    }


def _licence(facts: DatasetFacts) -> dict[str, Any]:
    return {"@id": facts.licence, "@type": "dct:LicenseDocument"}


def _temporal(facts: DatasetFacts) -> dict[str, Any] | None:
    if facts.first_at is None or facts.last_at is None:
        return None
    return {
        "@type": "dct:PeriodOfTime",
        "dcat:startDate": _time(instant(facts.first_at)),
        "dcat:endDate": _time(instant(facts.last_at)),
    }


def _place(facts: DatasetFacts) -> dict[str, Any] | None:
    if not facts.country:
        return None
    return {"@type": "dct:Location", "dct:identifier": facts.country, "rdfs:label": _english(facts.country_name)}


def _agent(address: str, name: str) -> dict[str, Any]:
    return {"@id": address, "@type": "foaf:Agent", "foaf:name": name}


def _concept(path: str, kind: str) -> dict[str, Any]:
    return {"@id": f"{AUTHORITY}{path}", "@type": kind}


def _english(text: str) -> dict[str, str]:
    return {"@value": text, "@language": "en"}


def _time(text: str) -> dict[str, str]:
    return _typed(text, "dateTime")


def _typed(text: str, kind: str) -> dict[str, str]:
    return {"@value": text, "@type": f"xsd:{kind}"}
