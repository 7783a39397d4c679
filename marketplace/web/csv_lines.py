"""Tables as CSV (RFC 4180), which spreadsheets open without running anything in them."""

import csv
from collections.abc import Iterable, Iterator, Sequence

from django.db import connection
from django.http import StreamingHttpResponse
from django.utils import timezone

# A cell that begins so is run as a formula by spreadsheets; an apostrophe makes it text again.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


class _Line:
    """A file of one line, for the csv module."""

    text = ""

    def write(self, text: str) -> int:
        self.text = text
        return len(text)


def csv_lines(head: Sequence[str], portions: Iterable[Iterable[Sequence[str]]]) -> Iterator[str]:
    """Between portions no connection is held, however slowly they are fetched."""
    line = _Line()
    writer = csv.writer(line)
    writer.writerow(head)
    # The mark tells spreadsheets that it is UTF-8.
    yield "\ufeff" + line.text
    for rows in portions:
        text = []
        for cells in rows:
            writer.writerow(cells)
            text.append(line.text)
        _let_go()
        yield "".join(text)


def csv_response(name: str, lines: Iterator[str]) -> StreamingHttpResponse:
    """name: of the file, before the day."""
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="ownstream-{name}-{timezone.now():%Y-%m-%d}.csv"'
    response["Cache-Control"] = "private, no-store"
    return response


def as_text(words: str) -> str:
    return f"'{words}" if words.startswith(_FORMULA_STARTS) else words


def _let_go() -> None:
    if not connection.in_atomic_block:
        connection.close()
