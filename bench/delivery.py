"""Delivery: what a buyer's own tools get out of the doors. Each part of delivery_parts has a run() of its own."""

from __future__ import annotations

from collections.abc import Iterator

from bench.delivery_parts import downloads, live, segments, sharing, tokens
from bench.rows import Row


def run() -> Iterator[Row]:
    yield from tokens.run()
    yield from segments.run()
    yield from sharing.run()
    yield from downloads.run()
    yield from live.run()
