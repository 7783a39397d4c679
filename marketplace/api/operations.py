"""The OpenAPI document, read for people: which acts there are, what they take, an example to start from. Pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Parameter:
    name: str
    place: str
    is_required: bool
    text: str


@dataclass(frozen=True)
class Operation:
    method: str
    path: str
    title: str
    text: str
    parameters: list[Parameter] = field(default_factory=list)
    body_example: str = ""
    takes_bytes: bool = False

    @property
    def anchor(self) -> str:
        return f"{self.method}-{self.path.strip('/')}".replace("/", "-").replace("{", "").replace("}", "")


@dataclass(frozen=True)
class OperationGroup:
    name: str
    operations: list[Operation]


def read_operations(document: Mapping[str, Any]) -> list[OperationGroup]:
    """Group an OpenAPI 3 document's operations by the first word of their path, in the document's order."""
    groups: dict[str, list[Operation]] = {}
    for path, method, operation in _operations(document):
        word = path.removeprefix("/api/").split("/")[0]
        groups.setdefault(word, []).append(_read(document, path, method, operation))
    return [OperationGroup(word.capitalize(), operations) for word, operations in groups.items()]


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                yield path, method, methods[method]


def _read(document: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> Operation:
    return Operation(
        method=method,
        path=path,
        title=operation.get("summary") or path,
        text=operation.get("description", ""),
        parameters=[
            Parameter(one["name"], one["in"], one.get("required", False), one.get("description", ""))
            for one in operation.get("parameters", [])
        ],
        body_example=_body_example(document, operation),
        takes_bytes="application/octet-stream" in operation.get("requestBody", {}).get("content", {}),
    )


def _body_example(document: Mapping[str, Any], operation: Mapping[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return ""
    return json.dumps(_example(document, content["schema"]), indent=2)


def _example(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Any:
    """A value of the schema's shape: its default, its first choice, or an empty one of its type."""
    if "$ref" in schema:
        return _example(document, document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]])
    if "allOf" in schema or "oneOf" in schema:
        return _example(document, (schema.get("allOf") or schema["oneOf"])[0])
    if schema.get("type") == "object":
        return {name: _example(document, part) for name, part in schema.get("properties", {}).items()}
    if schema.get("type") == "array" and "default" not in schema:
        return [_example(document, schema["items"])]
    return _plain_example(schema)


def _plain_example(schema: Mapping[str, Any]) -> Any:
    by_format = {"uuid": "00000000-0000-0000-0000-000000000000", "date-time": "2027-01-01T00:00:00Z"}
    by_type = {"integer": schema.get("minimum", 0), "number": 0, "boolean": False}
    first_choice = (schema.get("enum") or [None])[0]
    empty = by_format.get(schema.get("format", ""), by_type.get(schema.get("type", ""), ""))
    return schema.get("default", empty if first_choice is None else first_choice)
