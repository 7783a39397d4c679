"""What the standards demand of such documents, in our own words, for validators that must not ask the network.

DCAT_AP: the mandatory properties, ranges and cardinalities of DCAT-AP 3.0 that concern us, as SHACL.
DATASPACE_*: what the Dataspace Protocol 2025-1 demands of a catalog and a dataset, as JSON Schema.
"""

from typing import Any

DCAT_AP = """
@prefix dcat: <http://www.w3.org/ns/dcat#> .
@prefix dct: <http://purl.org/dc/terms/> .
@prefix foaf: <http://xmlns.com/foaf/0.1/> .
@prefix sh: <http://www.w3.org/ns/shacl#> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
@prefix : <urn:x-ownstream:dcat-ap:> .

:Title sh:path dct:title ; sh:minCount 1 ; sh:nodeKind sh:Literal .
:Description sh:path dct:description ; sh:minCount 1 ; sh:nodeKind sh:Literal .

:Catalogue a sh:NodeShape ; sh:targetClass dcat:Catalog ;
  sh:property :Title , :Description ,
    [ sh:path dct:publisher ; sh:minCount 1 ; sh:maxCount 1 ; sh:class foaf:Agent ] ,
    [ sh:path dcat:dataset ; sh:class dcat:Dataset ] ,
    [ sh:path dcat:service ; sh:class dcat:DataService ] ,
    [ sh:path dct:language ; sh:class dct:LinguisticSystem ] ,
    [ sh:path foaf:homepage ; sh:maxCount 1 ; sh:class foaf:Document ] .

:Dataset a sh:NodeShape ; sh:targetClass dcat:Dataset ;
  sh:property :Title , :Description ,
    [ sh:path dcat:distribution ; sh:minCount 1 ; sh:class dcat:Distribution ] ,
    [ sh:path dct:publisher ; sh:maxCount 1 ; sh:class foaf:Agent ] ,
    [ sh:path dct:creator ; sh:class foaf:Agent ] ,
    [ sh:path dcat:keyword ; sh:nodeKind sh:Literal ] ,
    [ sh:path dcat:theme ; sh:nodeKind sh:IRI ] ,
    [ sh:path dct:accessRights ; sh:maxCount 1 ; sh:class dct:RightsStatement ] ,
    [ sh:path dct:accrualPeriodicity ; sh:maxCount 1 ; sh:class dct:Frequency ] ,
    [ sh:path dct:issued ; sh:maxCount 1 ; sh:datatype xsd:dateTime ] ,
    [ sh:path dct:modified ; sh:maxCount 1 ; sh:datatype xsd:dateTime ] ,
    [ sh:path dct:spatial ; sh:class dct:Location ] ,
    [ sh:path dct:temporal ; sh:class dct:PeriodOfTime ] ,
    [ sh:path dcat:temporalResolution ; sh:maxCount 1 ; sh:datatype xsd:duration ] ,
    [ sh:path dcat:landingPage ; sh:class foaf:Document ] .

:Distribution a sh:NodeShape ; sh:targetClass dcat:Distribution ;
  sh:property
    [ sh:path dcat:accessURL ; sh:minCount 1 ; sh:nodeKind sh:IRI ] ,
    [ sh:path dcat:downloadURL ; sh:nodeKind sh:IRI ] ,
    [ sh:path dcat:accessService ; sh:class dcat:DataService ] ,
    [ sh:path dct:format ; sh:maxCount 1 ; sh:class dct:MediaTypeOrExtent ] ,
    [ sh:path dcat:mediaType ; sh:maxCount 1 ; sh:class dct:MediaType ] ,
    [ sh:path dct:license ; sh:maxCount 1 ; sh:class dct:LicenseDocument ] .

:Service a sh:NodeShape ; sh:targetClass dcat:DataService ;
  sh:property :Title , [ sh:path dcat:endpointURL ; sh:minCount 1 ; sh:nodeKind sh:IRI ] .

:Agent a sh:NodeShape ; sh:targetClass foaf:Agent ;
  sh:property [ sh:path foaf:name ; sh:minCount 1 ; sh:nodeKind sh:Literal ] .

:Period a sh:NodeShape ; sh:targetClass dct:PeriodOfTime ;
  sh:property
    [ sh:path dcat:startDate ; sh:maxCount 1 ; sh:datatype xsd:dateTime ] ,
    [ sh:path dcat:endDate ; sh:maxCount 1 ; sh:datatype xsd:dateTime ] .
"""

TEXT = {"type": "string", "minLength": 1}
CONTEXT = {"type": "array", "items": TEXT, "contains": {"const": "https://w3id.org/dspace/2025/1/context.jsonld"}}
OPERATORS = [
    "eq",
    "gt",
    "gteq",
    "lteq",
    "hasPart",
    "isA",
    "isAllOf",
    "isAnyOf",
    "isNoneOf",
    "isPartOf",
    "lt",
    "term-lteq",
    "neq",
]


def a_list(of: dict[str, Any], least: int = 1) -> dict[str, Any]:
    return {"type": "array", "items": of, "minItems": least}


def an_object(*required: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(required), "properties": properties}


CONSTRAINT = an_object(
    "leftOperand",
    "operator",
    "rightOperand",
    leftOperand=TEXT,
    operator={"enum": OPERATORS},
    rightOperand={"type": ["string", "object", "array"]},
)
DUTY = an_object("action", action=TEXT, constraint=a_list(CONSTRAINT, 0))
RULE = an_object("action", action=TEXT, constraint=a_list(CONSTRAINT, 0), duty=a_list(DUTY, 0))
OFFER = {
    "type": "object",
    "required": ["@id"],
    "properties": {
        "@id": TEXT,
        "@type": {"const": "Offer"},
        "permission": a_list(RULE),
        "prohibition": a_list(RULE),
        "obligation": a_list(DUTY),
    },
    "anyOf": [{"required": ["permission"]}, {"required": ["prohibition"]}],
    # In a catalogue the dataset is what the offer is about.
    "not": {"required": ["target"]},
}
SERVICE = {
    "type": "object",
    "required": ["@id", "@type", "endpointURL"],
    "properties": {"@id": TEXT, "@type": {"const": "DataService"}, "endpointURL": TEXT},
}
DISTRIBUTION = an_object("accessService", "format", accessService={"anyOf": [TEXT, SERVICE]}, format=TEXT)
DATASET = {
    "type": "object",
    "required": ["@id", "hasPolicy", "distribution"],
    "properties": {"@id": TEXT, "hasPolicy": a_list(OFFER), "distribution": a_list(DISTRIBUTION)},
}
DATASPACE_DATASET = DATASET | {
    "required": ["@context", "@id", "hasPolicy", "distribution"],
    "properties": {**DATASET["properties"], "@context": CONTEXT},  # type: ignore[dict-item]  # a dict of dicts
}
DATASPACE_CATALOG = {
    "type": "object",
    "required": ["@context", "@id", "@type", "participantId"],
    "properties": {
        "@context": CONTEXT,
        "@id": TEXT,
        "@type": {"const": "Catalog"},
        "participantId": TEXT,
        "service": a_list(SERVICE),
        "dataset": a_list(DATASET),
    },
    "not": {"required": ["hasPolicy"]},
}
