from uuid import uuid4

import pytest
from drf_spectacular.validation import validate_schema
from rest_framework.test import APIClient

from devices.errors import BatchError, EnrolmentError
from marketplace.api.views.devices import ENVELOPE_TYPES
from marketplace.api.views.docs import operation_groups


@pytest.mark.django_db
def test_the_schema_is_valid_openapi_and_names_every_act():
    response = APIClient().get("/api/schema/", HTTP_ACCEPT="application/vnd.oai.openapi+json")
    schema = response.data
    validate_schema(schema)
    assert {"/api/devices", "/api/consents/{public_id}/withdrawal", "/api/purchases"} <= set(schema["paths"])


@pytest.mark.django_db
def test_every_act_names_the_shape_of_its_refusals():
    schema = APIClient().get("/api/schema/", HTTP_ACCEPT="application/vnd.oai.openapi+json").data
    operations = [operation for methods in schema["paths"].values() for operation in methods.values()]
    for operation in operations:
        refusal = operation["responses"]["default"]["content"]["application/problem+json"]["schema"]
        assert refusal == {"$ref": "#/components/schemas/ProblemOut"}
    shown = APIClient().get(f"/api/catalogue/{uuid4()}").json()
    assert set(shown) <= set(schema["components"]["schemas"]["ProblemOut"]["properties"])


@pytest.mark.django_db
def test_the_page_offers_every_operation_of_the_schema():
    schema = APIClient().get("/api/schema/", HTTP_ACCEPT="application/vnd.oai.openapi+json").data
    expected = {(method, path) for path, methods in schema["paths"].items() for method in methods}
    shown = {(one.method, one.path) for group in operation_groups() for one in group.operations}
    assert shown == expected
    page = APIClient().get("/api/docs/").content.decode()
    assert all(f'data-api-path="{path}"' in page for _, path in expected)


@pytest.mark.django_db
def test_what_devices_call_is_described_with_its_refusals():
    schema = APIClient().get("/api/schema/", HTTP_ACCEPT="application/vnd.oai.openapi+json").data
    acts = {path: schema["paths"][f"/api/devices/{path}"]["post"] for path in ("nonce", "enrol", "batches")}
    assert all(act["security"] == [{}] for act in acts.values())
    assert set(acts["batches"]["requestBody"]["content"]) == ENVELOPE_TYPES
    assert {"200", "201", "409", "413", "429"} <= set(acts["batches"]["responses"])
    said = {path: " ".join(one["description"] for one in act["responses"].values()) for path, act in acts.items()}
    assert all(error.code in said["batches"] for error in BatchError.__subclasses__())
    assert all(error.code in said["enrol"] for error in EnrolmentError.__subclasses__())
    assert len({act["operationId"] for methods in schema["paths"].values() for act in methods.values()}) == sum(
        map(len, schema["paths"].values())
    )


def test_a_batch_cannot_be_tried_without_a_key(db):
    acts = {(one.method, one.path): one for group in operation_groups() for one in group.operations}
    assert acts["post", "/api/devices/batches"].takes_bytes
    page = APIClient().get("/api/docs/").content.decode()
    assert page.count("Send POST") == sum(one.method == "post" for one in acts.values()) - 1


@pytest.mark.django_db
def test_an_example_body_is_of_the_right_shape():
    bodies = {(one.method, one.path): one.body_example for group in operation_groups() for one in group.operations}
    assert '"quoted_micros": 0' in bodies[("post", "/api/purchases")]
    assert '"fields"' in bodies[("post", "/api/consents")]
