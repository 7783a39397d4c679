"""Named places in the sequencer where a test may step in, to see what a crash there leaves behind."""

from collections.abc import Callable

# What a test puts here is called with each place's name as it is passed.
_watchers: list[Callable[[str], None]] = []


def watch_faults(watcher: Callable[[str], None]) -> None:
    _watchers.append(watcher)


def fault_point(name: str) -> None:
    for watcher in _watchers:
        watcher(name)
