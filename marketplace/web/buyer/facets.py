"""The catalogue's filters as a page shows them: groups with counts, what is chosen, what to drop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from django.http import QueryDict

from marketplace.countries import country_name
from marketplace.listings.catalogue import FRESHNESS_BANDS, MATCH, PRICE_BANDS, SORTS, CatalogueSearch, Widening
from marketplace.listings.facets import FACETS, FacetSelection
from marketplace.listings.models import Category
from marketplace.web.wording import measure_label

LEGENDS = {
    "category": "Category",
    "measure": "Measure",
    "price": "Lowest price",
    "freshness": "Last reading",
    "country": "Country",
}
SHOWN_OPTIONS = 8
FIXED_ORDER = {"category": Category.values, "price": list(PRICE_BANDS), "freshness": list(FRESHNESS_BANDS)}


@dataclass(frozen=True)
class Option:
    value: str
    label: str
    count: int
    is_chosen: bool


@dataclass(frozen=True)
class Group:
    kind: str
    legend: str
    options: list[Option]
    more_options: list[Option]


def value_label(kind: str, value: str) -> str:
    if kind == "category":
        return str(Category(value).label)
    if kind == "country":
        return country_name(value) if value else "Several or not said"
    return {**PRICE_BANDS, **FRESHNESS_BANDS}.get(value, value) if kind != "measure" else measure_label(value)


def facet_groups(counts: Mapping[str, Mapping[str, int]], selection: FacetSelection) -> list[Group]:
    """Every facet that has a choice to offer. Chosen values stay, even those that count none."""
    groups = []
    for kind in FACETS:
        chosen = selection.of(kind)
        values = {**dict.fromkeys([*FIXED_ORDER.get(kind, []), *chosen], 0), **counts[kind]}
        options = [Option(value, value_label(kind, value), count, value in chosen) for value, count in values.items()]
        options.sort(key=lambda option: _place(kind, option))
        if options:
            groups.append(Group(kind, LEGENDS[kind], options[:SHOWN_OPTIONS], options[SHOWN_OPTIONS:]))
    return groups


def _place(kind: str, option: Option) -> tuple[object, ...]:
    """Bands in their own order; everything else by choice, count and name."""
    if kind in FIXED_ORDER:
        return (FIXED_ORDER[kind].index(option.value),)
    return (not option.is_chosen, -option.count, option.label)


def sort_options(search: CatalogueSearch) -> list[tuple[str, str, bool]]:
    """(value, label, is it the one). The usual order has no value, so that typing words changes to best match."""
    usual = replace(search, sort="").order
    offered = {value: label for value, label in SORTS.items() if search.text or value != MATCH}
    return [("" if value == usual else value, label, value == search.order) for value, label in offered.items()]


def chosen_tags(query: QueryDict, search: CatalogueSearch) -> list[tuple[str, str]]:
    """(label, address without it) of the words and of each chosen value."""
    tags = [(f"“{search.text}”", _without(query, "q"))] if search.text else []
    for kind in FACETS:
        tags += [(value_label(kind, value), _without(query, kind, value)) for value in search.selection.of(kind)]
    return tags


def widening_links(
    query: QueryDict, search: CatalogueSearch, widenings: Sequence[Widening]
) -> list[tuple[str, int, str]]:
    """(what to drop, how many listings there are then, address)."""
    links = []
    for widening in widenings:
        if widening.kind == "text":
            links.append((f"the words “{search.text}”", widening.count, _without(query, "q")))
        else:
            labels = " and ".join(value_label(widening.kind, value) for value in search.selection.of(widening.kind))
            label = f"{LEGENDS[widening.kind].lower()} “{labels}”"
            links.append((label, widening.count, _without(query, widening.kind)))
    return links


def _without(query: QueryDict, key: str, value: str | None = None) -> str:
    """The same address without one value, or without all of a key, from the first page on."""
    kept = query.copy()
    kept.pop("after", None)
    values = kept.pop(key, [])
    if value is not None:
        kept.setlist(key, [other for other in values if other != value])
    return f"?{kept.urlencode()}"
