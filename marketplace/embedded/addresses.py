"""Where the embedded services listen, as the supervisor wrote it down. Imports nothing but the standard library."""

import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Services:
    """URLs of the running embedded services; empty text where none is running."""

    database_url: str = ""
    redis_url: str = ""
    cache_url: str = ""


def find_services(var_dir: Path) -> Services:
    """Read VAR_DIR/services.json, which the supervisor and the test plugin write."""
    try:
        written = json.loads((var_dir / "services.json").read_text())
    except (OSError, ValueError):
        return Services()
    return Services(**{name: written.get(name, "") for name in ("database_url", "redis_url", "cache_url")})
