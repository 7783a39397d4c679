"""The facets, and the SQL that counts all of them in one pass over the matching listings. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from marketplace.wallet.units import MICROS_PER_UNIT


@dataclass(frozen=True)
class Facet:
    """column: where the value stands in the counted rows.

    narrows: True when all chosen values must be there, not one of them.
    bands: for a column with too many values, (name, upper bound, exclusive) in rising order; the last has no bound.
    """

    column: str
    narrows: bool = False
    bands: tuple[tuple[str, Any], ...] = ()

    def limits(self, name: str) -> tuple[Any, Any]:
        """The lower (inclusive) and the upper (exclusive) bound of a band; None where there is none."""
        position = [band for band, _ in self.bands].index(name)
        return (self.bands[position - 1][1] if position else None), self.bands[position][1]


FACETS = {
    "category": Facet("category"),
    "measure": Facet("measures", narrows=True),
    "price": Facet(
        "from_micros",
        bands=(("free", 1), ("5", 5 * MICROS_PER_UNIT + 1), ("20", 20 * MICROS_PER_UNIT + 1), ("more", None)),
    ),
    "freshness": Facet(
        "age",
        bands=(("day", timedelta(days=1)), ("week", timedelta(days=7)), ("month", timedelta(days=30)), ("older", None)),
    ),
    "country": Facet("country"),
}


@dataclass(frozen=True)
class FacetSelection:
    """The chosen values of each facet."""

    category: Sequence[str] = ()
    measure: Sequence[str] = ()
    price: Sequence[str] = ()
    freshness: Sequence[str] = ()
    country: Sequence[str] = ()

    def of(self, kind: str) -> Sequence[str]:
        return getattr(self, kind)


def facet_sql(rows_sql: str, selection: FacetSelection) -> tuple[str, list[Any]]:
    """Return SQL that gives (kind, value, count), and its parameters, which follow those of rows_sql.

    rows_sql: a SELECT of every facet's column. Only names of this module get into the text, all else is a parameter.
    """
    chosen = {kind: list(selection.of(kind)) for kind in FACETS if selection.of(kind)}
    values, params = _value_columns()
    tests = "".join(f", {_test(kind)} AS in_{kind}" for kind in chosen)
    counts = [_count("'total'", "''", chosen)]
    for kind, facet in FACETS.items():
        if facet.narrows:
            counts.append(_count_members(kind, chosen))
        else:
            others = [other for other in chosen if other != kind]
            counts.append(_count(f"'{kind}'", f"v_{kind}", others, f"GROUP BY v_{kind}"))
    sql = (
        f"WITH found AS ({rows_sql}), valued AS (SELECT {values} FROM found), "
        f"tested AS MATERIALIZED (SELECT *{tests} FROM valued) {' UNION ALL '.join(counts)}"
    )
    return sql, [*params, *chosen.values()]


def _value_columns() -> tuple[str, list[Any]]:
    columns, params = [], []
    for kind, facet in FACETS.items():
        if facet.bands:
            cases = " ".join(
                f"WHEN {facet.column} < %s THEN '{name}'" for name, bound in facet.bands if bound is not None
            )
            columns.append(f"CASE {cases} ELSE '{facet.bands[-1][0]}' END AS v_{kind}")
            params += [bound for _, bound in facet.bands if bound is not None]
        else:
            columns.append(f"{facet.column} AS v_{kind}")
    return ", ".join(columns), params


def _test(kind: str) -> str:
    return f"(v_{kind}::text[] @> %s::text[])" if FACETS[kind].narrows else f"(v_{kind} = ANY(%s))"


def _count(kind: str, value: str, filters: Iterable[str], group_by: str = "") -> str:
    return f"SELECT {kind}, {value}::text, count(*) FROM tested WHERE {_all_of(filters)} {group_by}"


def _count_members(kind: str, filters: Iterable[str]) -> str:
    """Many listings have the same set of values: count the sets first, and take apart only what differs."""
    sets = f"SELECT v_{kind}, count(*) AS times FROM tested WHERE {_all_of(filters)} GROUP BY v_{kind}"
    return f"SELECT '{kind}', one::text, sum(times)::bigint FROM ({sets}) AS sets, unnest(v_{kind}) AS one GROUP BY one"


def _all_of(filters: Iterable[str]) -> str:
    return " AND ".join(f"in_{name}" for name in filters) or "TRUE"
