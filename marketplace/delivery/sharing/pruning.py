"""Leave out files that a reader's predicates cannot match, by their times. Whatever is not understood keeps the file.

A hint is JSON such as {"op": "greaterThan", "children": [{"op": "column", "name": "time"}, {"op": "literal", ...}]}
or, from older readers, a list of SQL conditions such as "time >= '2026-01-31T12:00:00Z'" that hold together.
"""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from marketplace.delivery.tables.projection import TIME
from marketplace.delivery.windows import TableFile

_MOST_DEPTH = 20
_MOST_CONDITIONS = 100
_MIRRORED = {
    "lessThan": "greaterThan",
    "lessThanOrEqual": "greaterThanOrEqual",
    "greaterThan": "lessThan",
    "greaterThanOrEqual": "lessThanOrEqual",
    "equal": "equal",
}
_SQL = re.compile(
    r"""\s*[`"]?(\w{1,64})[`"]?\s*(<=|>=|<|>|==?)\s*(?:cast\s*\(|timestamp|date)?\s*'([^']{1,40})'(?:\s+as\s+\w+\s*\))?\s*""",
    re.IGNORECASE,
)
_SQL_OPS = {
    "<": "lessThan",
    "<=": "lessThanOrEqual",
    ">": "greaterThan",
    ">=": "greaterThanOrEqual",
    "=": "equal",
    "==": "equal",
}
# A time without an offset is one of the reader's own clock, wherever on Earth that is.
_FARTHEST_CLOCK = timedelta(hours=14)
Moment = tuple[datetime, datetime]

_BOUNDS: dict[str, Callable[[datetime, datetime, Moment], bool]] = {
    "lessThan": lambda first, _, moment: first < moment[1],
    "lessThanOrEqual": lambda first, _, moment: first <= moment[1],
    "greaterThan": lambda _, last, moment: last > moment[0],
    "greaterThanOrEqual": lambda _, last, moment: last >= moment[0],
    "equal": lambda first, last, moment: first <= moment[1] and moment[0] <= last,
}


def read_hints(*, json_predicate: str, conditions: Sequence[object]) -> Any:
    """Return one predicate of all that is understood; None when nothing is."""
    nodes = [_condition(text) for text in conditions[:_MOST_CONDITIONS] if isinstance(text, str)]
    with suppress(orjson.JSONDecodeError):
        nodes.append(orjson.loads(json_predicate) if json_predicate else None)
    known = [node for node in nodes if node is not None]
    return {"op": "and", "children": known} if known else None


def may_match(predicate: Any, file: TableFile) -> bool:
    """Return False only when no row of the file can match."""
    if predicate is None or file.first_at is None or file.last_at is None:
        return True
    return _may_match(predicate, file.first_at, file.last_at, _MOST_DEPTH)


def _condition(text: str) -> dict[str, Any] | None:
    match = _SQL.fullmatch(text)
    if match is None:
        return None
    column, op, value = match.groups()
    literal = {"op": "literal", "value": value, "valueType": "timestamp"}
    return {"op": _SQL_OPS[op], "children": [{"op": "column", "name": column}, literal]}


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


def _moment(node: Any) -> Moment | None:
    """Return the earliest and the latest instant that a literal may mean."""
    if not isinstance(node, dict) or node.get("op") != "literal" or node.get("valueType") not in {"timestamp", "date"}:
        return None
    try:
        moment = datetime.fromisoformat(str(node.get("value")))
        if moment.tzinfo:
            return moment, moment
        moment = moment.replace(tzinfo=UTC)
        return moment - _FARTHEST_CLOCK, moment + _FARTHEST_CLOCK
    except (ValueError, OverflowError):
        return None
