"""What the OpenAPI document says of every act."""

from typing import Any, Literal

from drf_spectacular.openapi import AutoSchema
from rest_framework.views import APIView

from marketplace.api.problems import PROBLEM_TYPE
from marketplace.api.serializers.people import ProblemOut


class _Pages:
    """The one shape that every list has; one that is never longer than a page has no ways on."""

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        way_on = {"type": "string", "format": "uri", "nullable": True}
        properties = {"next": way_on, "previous": way_on, "results": schema}
        return {"type": "object", "required": ["results"], "properties": properties}

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        """Each act names its own."""
        return []


class ProblemSchema(AutoSchema):
    """Adds the one shape that every refusal has, and that of lists."""

    def _get_paginator(self) -> _Pages:
        return _Pages()

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> dict[str, Any]:
        get_response: Any = self._get_response_for_code  # The library is untyped there.
        refusal = get_response(ProblemOut, "default", [PROBLEM_TYPE], direction)
        return {**super()._get_response_bodies(direction), "default": {**refusal, "description": "A refusal."}}
