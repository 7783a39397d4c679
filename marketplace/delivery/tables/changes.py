"""What a version changed: which rows it brought and which it took away, however its files were put together anew."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import polars

from marketplace.delivery.tables.files import read_rows
from marketplace.delivery.tables.projection import DEVICE, TIME
from marketplace.delivery.tables.spans import Span

_KEY = [TIME, DEVICE]


@dataclass(frozen=True)
class Group:
    """Days whose files were replaced by others: the paths of both."""

    span: Span
    old: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)


def group_spans(old: Iterable[tuple[Span, str]], new: Iterable[tuple[Span, str]]) -> list[Group]:
    """Put files together whose days touch: only among those can a row have moved."""
    files = [(span, path, True) for span, path in old] + [(span, path, False) for span, path in new]
    groups: list[Group] = []
    for span, path, is_old in sorted(files, key=lambda file: file[0]):
        if groups and span.first < groups[-1].span.end:
            last = groups.pop()
            first, end = last.span.first, max(last.span.end, span.end)
            groups.append(Group(Span(first, end), last.old, last.new))
        else:
            groups.append(Group(span))
        (groups[-1].old if is_old else groups[-1].new).append(path)
    return groups


def compare_files(old: Sequence[str], new: Sequence[str]) -> tuple[polars.DataFrame, polars.DataFrame]:
    return compare_rows(_read(old, new), _read(new, old))


def compare_rows(before: polars.DataFrame, after: polars.DataFrame) -> tuple[polars.DataFrame, polars.DataFrame]:
    """Return the rows that are new, and those that are gone or changed.

    A row is known by its time and device. Of one that is gone no value is shown any more: NaN stands where one was.
    """
    every = before.columns
    added = after.join(before, on=every, how="anti", nulls_equal=True)
    gone = before.join(after, on=every, how="anti", nulls_equal=True)
    values = [name for name in every if name not in _KEY]
    was_there = polars.when(polars.col(values).is_not_null()).then(polars.lit(float("nan")))
    return added.sort(_KEY), gone.sort(_KEY).with_columns(was_there.name.keep())


def _read(paths: Sequence[str], others: Sequence[str]) -> polars.DataFrame:
    """Nothing at all has the columns of what it is compared with."""
    if paths:
        return polars.concat([read_rows(path) for path in paths])
    return read_rows(others[0]).clear()
