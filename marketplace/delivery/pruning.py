"""Leave out files that a reader's predicate cannot match, by their times. Whatever is not understood keeps the file.

A hint looks like {"op": "greaterThan", "children": [{"op": "column", "name": "time", ...}, {"op": "literal", ...}]}.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import orjson

from marketplace.delivery.projection import TIME
from marketplace.delivery.windows import TableFile

_MOST_DEPTH = 20
_MIRRORED = {
    "lessThan": "greaterThan",
    "lessThanOrEqual": "greaterThanOrEqual",
    "greaterThan": "lessThan",
    "greaterThanOrEqual": "lessThanOrEqual",
    "equal": "equal",
}


_BOUNDS: dict[str, Callable[[datetime, datetime, datetime], bool]] = {
    "lessThan": lambda first, _, moment: first < moment,
    "lessThanOrEqual": lambda first, _, moment: first <= moment,
    "greaterThan": lambda _, last, moment: last > moment,
    "greaterThanOrEqual": lambda _, last, moment: last >= moment,
    "equal": lambda first, last, moment: first <= moment <= last,
}


def may_match(json_predicate: str, file: TableFile) -> bool:
    """Return False only when no row of the file can match."""
    if not json_predicate or file.first_at is None or file.last_at is None:
        return True
    try:
        predicate = orjson.loads(json_predicate)
    except orjson.JSONDecodeError:
        return True
    return _may_match(predicate, file.first_at, file.last_at, _MOST_DEPTH)


def _may_match(node: Any, first: datetime, last: datetime, depth: int) -> bool:
    children = node.get("children") if isinstance(node, dict) else None
    if depth == 0 or not isinstance(children, list) or not children:
        return True
    op = node.get("op")
    if op == "and":
        return all(_may_match(child, first, last, depth - 1) for child in children)
    if op == "or":
        return any(_may_match(child, first, last, depth - 1) for child in children)
    if op in _MIRRORED and len(children) == 2:
        return _compare(op, children[0], children[1], first, last)
    return True


def _compare(op: str, left: Any, right: Any, first: datetime, last: datetime) -> bool:
    if _is_time(right):
        op, left, right = _MIRRORED[op], right, left
    moment = _moment(right)
    if not _is_time(left) or moment is None:
        return True
    return _BOUNDS[op](first, last, moment)


def _is_time(node: Any) -> bool:
    return isinstance(node, dict) and node.get("op") == "column" and str(node.get("name")).lower() == TIME


def _moment(node: Any) -> datetime | None:
    if not isinstance(node, dict) or node.get("op") != "literal" or node.get("valueType") != "timestamp":
        return None
    try:
        moment = datetime.fromisoformat(str(node.get("value")))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
