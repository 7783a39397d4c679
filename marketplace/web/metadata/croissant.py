"""A listing as model builders read it: Croissant 1.1, with the sample as records that can be loaded at once. Pure.

Source: MLCommons Croissant format specification 1.1.
"""

from typing import Any

from marketplace.web.metadata.facts import ColumnFacts, DatasetFacts, MarketFacts
from marketplace.web.metadata.terms import instant, without_nothing

SAMPLE = "sample"
_KINDS = {"timestamp": "sc:DateTime", "string": "sc:Text", "double": "sc:Float"}
_TERMS = (
    "arrayShape citeAs column conformsTo containedIn equivalentProperty extract field fileObject fileProperty fileSet "
    "format includes isArray isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated "
    "replace samplingRate separator source subField transform"
)
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    **{term: f"cr:{term}" for term in _TERMS.split()},
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "description": {"@container": "@language"},
    "name": {"@container": "@language"},
}


def document(facts: DatasetFacts, market: MarketFacts) -> dict[str, Any]:
    content = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": facts.title,
        "description": facts.summary,
        "url": facts.page,
        "license": facts.licence,
        "creator": {"@type": "sc:Person", "name": facts.seller},
        "publisher": {"@type": "sc:Organization", "name": market.name, "url": market.home},
        "keywords": list(facts.keywords),
        "datePublished": instant(facts.published_at),
        "dateModified": instant(facts.changed_at),
        "version": "1.0.0",
        # New readings come in all the time: nothing here has a lasting hash.
        "isLiveDataset": True,
        "citeAs": f"{facts.seller}: {facts.title}. {market.name}, {facts.page}",
        "distribution": [_sample(facts)],
        "recordSet": [_records(facts)],
    }
    return without_nothing(content)


def _sample(facts: DatasetFacts) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": SAMPLE,
        "name": "sample.csv",
        "description": "Sample rows. What is sold has every row: see the page for the ways to load it.",
        "contentUrl": facts.sample,
        "encodingFormat": "text/csv",
    }


def _records(facts: DatasetFacts) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "readings",
        "name": "readings",
        "description": "One row for each time and device, one column for each thing measured.",
        "field": [_field(column) for column in facts.columns],
    }


def _field(column: ColumnFacts) -> dict[str, Any]:
    words = f"{column.field} in {column.unit} (UCUM)" if column.unit else column.field or column.name
    return {
        "@type": "cr:Field",
        "@id": f"readings/{column.name}",
        "name": column.name,
        "description": words,
        "dataType": _KINDS[column.kind],
        "source": {"fileObject": {"@id": SAMPLE}, "extract": {"column": column.name}},
    }
