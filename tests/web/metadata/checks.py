"""A listing's documents held against the standards by their own validators."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

import jsonschema
import mlcroissant
import pyshacl
from django.test import Client
from rdflib import Graph

from marketplace.listings.models import Listing
from tests.web.metadata.rules import DATASPACE_DATASET, DCAT_AP


def document(client: Client, listing: Listing, name: str) -> Any:
    answer = client.get(f"/listings/{listing.public_id}/{name}")
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/ld+json")
    return json.loads(answer.content)


def check_dcat(content: Any) -> Graph:
    graph = Graph().parse(data=json.dumps(content), format="json-ld")
    conforms, _, report = pyshacl.validate(graph, shacl_graph=Graph().parse(data=DCAT_AP, format="turtle"))
    assert conforms, report
    return graph


def check_croissant(client: Client, content: Any, folder: Any) -> list[dict[str, Any]]:
    """Return the records of the sample that it leads to."""
    sample = folder / "sample.csv"
    sample.write_bytes(client.get(urlsplit(content["distribution"][0]["contentUrl"]).path).content)
    dataset = mlcroissant.Dataset(jsonld=content, mapping={"sample": str(sample)})
    assert not dataset.metadata.ctx.issues.errors
    records = list(dataset.records("readings"))
    assert len(records) == len(sample.read_text().splitlines()) - 1
    return records


def check_all(client: Client, listing: Listing, folder: Any) -> None:
    check_dcat(document(client, listing, "dcat.jsonld"))
    assert check_croissant(client, document(client, listing, "croissant.json"), folder)
    jsonschema.validate(document(client, listing, "dataspace.json"), DATASPACE_DATASET)
