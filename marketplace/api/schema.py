"""What the OpenAPI document says of every act."""

from typing import Any, Literal

from drf_spectacular.openapi import AutoSchema

from marketplace.api.problems import PROBLEM_TYPE
from marketplace.api.serializers.people import ProblemOut


class ProblemSchema(AutoSchema):
    """Adds the one shape that every refusal has."""

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> dict[str, Any]:
        get_response: Any = self._get_response_for_code  # The library is untyped there.
        refusal = get_response(ProblemOut, "default", [PROBLEM_TYPE], direction)
        return {**super()._get_response_bodies(direction), "default": {**refusal, "description": "A refusal."}}
