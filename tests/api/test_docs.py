import pytest
from drf_spectacular.validation import validate_schema
from rest_framework.test import APIClient

from marketplace.api.views.docs import operation_groups


@pytest.mark.django_db
def test_the_schema_is_valid_openapi_and_names_every_act():
    response = APIClient().get("/api/schema/", HTTP_ACCEPT="application/vnd.oai.openapi+json")
    schema = response.data
    validate_schema(schema)
    assert {"/api/devices", "/api/consents/{public_id}/withdrawal", "/api/purchases"} <= set(schema["paths"])


@pytest.mark.django_db
def test_the_page_offers_every_operation_of_the_schema():
    schema = APIClient().get("/api/schema/", HTTP_ACCEPT="application/vnd.oai.openapi+json").data
    expected = {(method, path) for path, methods in schema["paths"].items() for method in methods}
    shown = {(one.method, one.path) for group in operation_groups() for one in group.operations}
    assert shown == expected
    page = APIClient().get("/api/docs/").content.decode()
    assert all(f'data-api-path="{path}"' in page for _, path in expected)


@pytest.mark.django_db
def test_an_example_body_is_of_the_right_shape():
    bodies = {(one.method, one.path): one.body_example for group in operation_groups() for one in group.operations}
    assert '"quoted_micros": 0' in bodies[("post", "/api/purchases")]
    assert '"fields"' in bodies[("post", "/api/consents")]
