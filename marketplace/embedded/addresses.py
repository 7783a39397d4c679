"""Where the embedded run and its services listen. Imports nothing but the standard library."""

import json
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Services:
    """URLs of the running embedded services; empty text where none is running."""

    database_url: str = ""
    redis_url: str = ""
    cache_url: str = ""
    # The database as the role that owns the tables.
    migration_database_url: str = ""


def browser_address(host: str, port: str | int) -> str:
    """Return the address to open when a server listens on this host and port; every address is reached by loopback."""
    reached = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)
    if ":" in reached and not reached.startswith("["):
        reached = f"[{reached}]"
    return f"http://{reached}:{port or 8000}"


def live_address(public_url: str, port: str) -> str:
    """Return where live streams are on a machine where they have a port of their own: under the pages' host name."""
    if not port:
        return public_url
    parts = urlsplit(public_url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{port}"


def own_hosts(host: str, public_url: str) -> list[str]:
    """Return the names that a run on this machine answers to: this machine's, and that of its public address."""
    named = {host.strip("[]"), urlsplit(public_url).hostname or ""} - {"", "0.0.0.0", "::"}
    listed = ["localhost", "127.0.0.1", "[::1]", *(f"[{name}]" if ":" in name else name for name in sorted(named))]
    return list(dict.fromkeys(listed))


def find_services(var_dir: Path) -> Services:
    """Read VAR_DIR/services.json, which the supervisor and the test plugin write."""
    try:
        written = json.loads((var_dir / "services.json").read_text())
    except (OSError, ValueError):
        return Services()
    return Services(**{part.name: written.get(part.name, "") for part in fields(Services)})
