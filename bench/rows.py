"""What a bench answers, and how two ways of doing a thing are compared."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table. goal: the ratio to reach, None where none was set."""

    name: str
    ratio: float
    goal: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Comparison:
    """The median over all rounds of first's time against second's, and each one's median seconds a round."""

    ratio: float
    first_seconds: float
    second_seconds: float


def compare(
    first: Callable[[], None], second: Callable[[], None], *, rounds: int = 9, between: Callable[[], None] | None = None
) -> Comparison:
    """Time two ways in turns, the order reversed every round, so that drift of the machine hits both alike.

    between: cleans up after each timed part, outside of the time. One round before the first is not counted.
    """
    times: dict[Callable[[], None], list[float]] = {first: [], second: []}
    for number in range(rounds + 1):
        for act in (first, second) if number % 2 else (second, first):
            started = time.perf_counter()
            act()
            seconds = time.perf_counter() - started
            if between is not None:
                between()
            if number:
                times[act].append(seconds)
    ratios = [one / other for one, other in zip(times[first], times[second], strict=True)]
    return Comparison(statistics.median(ratios), statistics.median(times[first]), statistics.median(times[second]))


def percentile_95(seconds: list[float]) -> float:
    return statistics.quantiles(seconds, n=20, method="inclusive")[-1]
