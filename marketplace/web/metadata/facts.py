"""The facts of listings that every vocabulary tells in its own words: what the public page shows, and no more. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal


@dataclass(frozen=True)
class ColumnFacts:
    """field: the devices' own name of what it holds; unit: UCUM. Both empty for the time and the device."""

    name: str
    field: str
    unit: str
    kind: str  # timestamp, string or double


@dataclass(frozen=True)
class PlanFacts:
    """price: of the whole plan, or of 1,000 rows where is_by_use. lasts: how long it goes; None: not limited by time.

    rows: of a trial that is limited by rows.
    """

    address: str
    identifier: str
    name: str
    price: Decimal
    currency: str
    is_by_use: bool
    lasts: timedelta | None
    rows: int | None


@dataclass(frozen=True)
class DatasetFacts:
    """page: the listing's address; first_at and last_at: of its readings, None before there are any.

    purposes: what it may be used for, as IRIs. ends_at: when the consent ends. resolution: 0 where readings are given
    as they were measured. columns: only where somebody asked for one listing.
    """

    page: str
    identifier: str
    title: str
    summary: str
    category: str
    keywords: Sequence[str]
    seller: str
    country: str
    country_name: str
    published_at: datetime
    changed_at: datetime
    first_at: datetime | None
    last_at: datetime | None
    row_count: int
    resolution: timedelta
    delay: timedelta
    purposes: Sequence[str]
    ends_at: datetime
    plans: Sequence[PlanFacts]
    columns: Sequence[ColumnFacts] = ()

    @property
    def licence(self) -> str:
        return f"{self.page}#licence"

    @property
    def sample(self) -> str:
        return f"{self.page}sample.csv"


@dataclass(frozen=True)
class MarketFacts:
    """The market itself, as who publishes the catalogue. sharing: where Delta Sharing is served."""

    name: str
    home: str
    catalogue: str
    sharing: str
