"""What a buyer finds: search, facets with counts, four orders, keyset pages.

Few queries at any size: one for the facets and the total, one or two for the page. Facets of one kind widen each other
("weather or energy"), except measures, which narrow ("temperature and humidity"); kinds narrow each other. A facet's
count says how many listings there are if it is chosen besides the other kinds' choices.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import reduce
from operator import or_
from uuid import UUID

from django.contrib.auth.models import AnonymousUser
from django.contrib.postgres.search import SearchQuery, SearchRank, TrigramWordSimilarity
from django.db import connection
from django.db.models import (
    DateTimeField,
    DurationField,
    ExpressionWrapper,
    F,
    FloatField,
    Func,
    Q,
    QuerySet,
    Value,
)
from django.db.models.functions import Cast

from marketplace.accounts.models import User
from marketplace.listings.facets import FACETS, Facet, FacetSelection, facet_sql
from marketplace.listings.models import Listing

PAGE_SIZE = 20

NEWEST, PRICE, FRESHNESS, MATCH = "newest", "price", "freshness", "match"
SORTS = {
    NEWEST: "Newest first",
    PRICE: "Lowest price first",
    FRESHNESS: "Latest reading first",
    MATCH: "Best match first",
}

PRICE_BANDS = {"free": "Free", "5": "Up to EUR 5", "20": "EUR 5 to 20", "more": "More than EUR 20"}
FRESHNESS_BANDS = {
    "day": "In the last 24 hours",
    "week": "1 to 7 days ago",
    "month": "7 to 30 days ago",
    "older": "Longer ago",
}


@dataclass(frozen=True)
class CatalogueSearch:
    """What somebody asks the catalogue. Everything in it came from outside and was checked by a form."""

    text: str = ""
    selection: FacetSelection = field(default_factory=FacetSelection)
    sort: str = ""

    @property
    def order(self) -> str:
        """The order that holds: best match needs words to match."""
        if self.sort == MATCH and not self.text:
            return NEWEST
        return self.sort or (MATCH if self.text else NEWEST)


@dataclass(frozen=True)
class Widening:
    """One choice to drop when nothing matches, and how many listings there are then."""

    kind: str
    count: int


@dataclass(frozen=True)
class CataloguePage:
    listings: list[Listing]
    total: int
    counts: dict[str, dict[str, int]]
    next_after: UUID | None
    is_near_match: bool
    widenings: list[Widening]


def find_listings(
    *, search: CatalogueSearch, user: User | AnonymousUser, at: datetime, after: UUID | None = None
) -> CataloguePage:
    """Return one page. after: the last listing of the page before; an unknown one starts from the beginning."""
    everything = with_age(Listing.objects.for_sale_to(user, at), at)
    matching, is_near = match_text(everything, search.text)
    counts = count_facets(matching, search.selection)
    total = counts.pop("total").get("", 0)
    listings: list[Listing] = []
    if total:
        chosen = choose(matching, search.selection)
        listings = page_of(chosen, search, is_near, after)
    widenings = [] if total else find_widenings(everything, matching, search)
    is_more = len(listings) > PAGE_SIZE
    listings = listings[:PAGE_SIZE]
    next_after = listings[-1].public_id if is_more else None
    return CataloguePage(listings, total, counts, next_after, is_near and total > 0, widenings)


def with_age(listings: QuerySet[Listing], at: datetime) -> QuerySet[Listing]:
    """Add how long the last reading is ago."""
    age = Value(at, output_field=DateTimeField()) - F("fresh_at")
    return listings.annotate(age=ExpressionWrapper(age, output_field=DurationField()))


def match_text(listings: QuerySet[Listing], text: str) -> tuple[QuerySet[Listing], bool]:
    """Keep what has the words; if nothing has, what comes near them (True says so)."""
    if not text:
        return listings, False
    exact = listings.filter(search_vector=SearchQuery(text, config="english", search_type="websearch"))
    if exact.exists():
        return exact, False
    near = Q(title__trigram_word_similar=text)
    measures = near_measures(listings, text)
    if measures:
        near |= Q(measures__overlap=measures)
    return listings.filter(near), True


def near_measures(listings: QuerySet[Listing], text: str) -> list[str]:
    """Measures that one of the words may have meant: humidty finds relative_humidity."""
    known = set(
        listings.order_by().annotate(one=Func("measures", function="unnest")).values_list("one", flat=True).distinct()
    )
    by_word = defaultdict(set)
    for measure in known:
        for part in str(measure).lower().split("_"):
            by_word[part].add(str(measure))
    near = {match for word in text.lower().split()[:8] for match in difflib.get_close_matches(word, by_word, 3, 0.75)}
    return sorted(measure for word in near for measure in by_word[word])


def choose(listings: QuerySet[Listing], selection: FacetSelection) -> QuerySet[Listing]:
    """Apply every choice."""
    for kind, facet in FACETS.items():
        values = list(selection.of(kind))
        if not values:
            continue
        if facet.bands:
            listings = listings.filter(reduce(or_, (_in_band(facet, name) for name in values)))
        else:
            listings = listings.filter(**{f"{facet.column}__{'contains' if facet.narrows else 'in'}": values})
    return listings


def _in_band(facet: Facet, name: str) -> Q:
    """Nothing is in a band that there is not, as nothing has a category that there is not."""
    if name not in dict(facet.bands):
        return Q(pk__in=())
    lower, upper = facet.limits(name)
    above = Q() if lower is None else Q(**{f"{facet.column}__gte": lower})
    return above if upper is None else above & Q(**{f"{facet.column}__lt": upper})


def count_facets(listings: QuerySet[Listing], selection: FacetSelection) -> dict[str, dict[str, int]]:
    """Count every value of every facet, and under total[""] what all choices together leave. One query."""
    rows = listings.order_by().values(*(facet.column for facet in FACETS.values()))
    rows_sql, rows_params = rows.query.sql_with_params()
    sql, params = facet_sql(rows_sql, selection)
    counts: dict[str, dict[str, int]] = {kind: {} for kind in [*FACETS, "total"]}
    with connection.cursor() as cursor:
        cursor.execute(sql, [*rows_params, *params])
        for kind, value, count in cursor.fetchall():
            counts[kind][value] = count
    return counts


def page_of(listings: QuerySet[Listing], search: CatalogueSearch, is_near: bool, after: UUID | None) -> list[Listing]:
    """One page and one listing more, which tells that there is a next page."""
    ordered, column, is_descending = with_order(listings, search, is_near)
    if after is not None:
        place = with_order(Listing.objects.all(), search, is_near)[0]
        last = place.filter(public_id=after).values_list(column, "pk").first()
        if last is not None:
            ordered = ordered.filter(beyond(column, last, is_descending))
    mark = "-" if is_descending else ""
    # Sorting ten thousand keys is much cheaper than sorting as many whole rows.
    pks = list(ordered.order_by(f"{mark}{column}", f"{mark}pk").values_list("pk", flat=True)[: PAGE_SIZE + 1])
    rows = Listing.objects.select_related("seller", "consent", "quality").prefetch_related("plans").in_bulk(pks)
    return [rows[pk] for pk in pks if pk in rows]


def with_order(
    listings: QuerySet[Listing], search: CatalogueSearch, is_near: bool
) -> tuple[QuerySet[Listing], str, bool]:
    """Return the listings with the column they are ordered by, its name, and whether the highest comes first."""
    if search.order == PRICE:
        return listings, "from_micros", False
    if search.order == FRESHNESS:
        return listings, "fresh_at", True
    if search.order == NEWEST:
        return listings, "published_at", True
    words = SearchQuery(search.text, config="english", search_type="websearch")
    closeness = TrigramWordSimilarity(search.text, "title") if is_near else SearchRank("search_vector", words)
    # As a double: the four-byte float would not equal itself after a trip through Python.
    return listings.annotate(closeness=Cast(closeness, FloatField())), "closeness", True


def beyond(column: str, last: Sequence[object], is_descending: bool) -> Q:
    """The rows after the given place: keyset, never OFFSET."""
    comparison = "lt" if is_descending else "gt"
    value, pk = last
    after_value = Q(**{f"{column}__{comparison}": value})
    return after_value | Q(**{column: value, f"pk__{comparison}": pk})


def find_widenings(
    everything: QuerySet[Listing], matching: QuerySet[Listing], search: CatalogueSearch
) -> list[Widening]:
    """What to drop when nothing matches: each single choice whose going leaves something, most first."""
    widenings = [
        Widening(kind, choose(matching, replace(search.selection, **{kind: ()})).count())
        for kind in FACETS
        if search.selection.of(kind)
    ]
    if search.text:
        widenings.append(Widening("text", choose(everything, search.selection).count()))
    return sorted((one for one in widenings if one.count), key=lambda one: -one.count)
