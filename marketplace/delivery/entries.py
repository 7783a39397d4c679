"""What the log says about tables. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any


def derived(*, statements: Sequence[str]) -> Mapping[str, Any]:
    """statements: SHA-256, hex, of what was said of files of computed rows; see devices.derivation."""
    return {"statements": list(statements)}
