"""`make check`: Django's own checks, in development and with production's settings and throw-away secrets."""

import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

from marketplace.embedded.processes import ServiceError
from marketplace.embedded.services import EmbeddedServices

ROOT = Path(__file__).resolve().parent.parent.parent
PRODUCTION = {
    "PRODUCTION": "1",
    "PUBLIC_URL": "https://market.example",
    "ALLOWED_HOSTS": "market.example",
    "LEDGER_ORIGIN": "market.example/log",
    "MAIL_HOST": "mail.example",
    "MARKET_NAME": "Market",
    "MARKET_ADDRESS": "Street 1; 10115 Berlin",
    "MARKET_COUNTRY": "DE",
}


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="ownstream-check-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        services = EmbeddedServices(folder / "services", is_throw_away=True)
        try:
            return check(folder, services)
        except ServiceError as error:
            print(error, file=sys.stderr)
            return 1
        finally:
            services.stop()


def check(folder: Path, services: EmbeddedServices) -> int:
    """makemigrations compares with a real database; a model that lacks its migration is a failure."""
    environment = dict(os.environ) | {"VAR_DIR": str(folder / "var"), "DATABASE_URL": services.start_postgres()}
    environment["REDIS_URL"], environment["CACHE_URL"] = services.start_valkey()
    secret = {"SECRET_KEY": secrets.token_urlsafe(64), "LEDGER_SEED_HEX": secrets.token_hex(32)}
    runs: list[tuple[list[str], dict[str, str]]] = [
        (["makemigrations", "--check", "--dry-run"], environment),
        (["check", "--fail-level", "WARNING"], environment),
        (["check", "--deploy", "--fail-level", "WARNING"], environment | PRODUCTION | secret),
    ]
    for arguments, settings in runs:
        print("manage.py", *arguments, flush=True)
        done = subprocess.run([sys.executable, "manage.py", *arguments], cwd=ROOT, env=settings, check=False)
        if done.returncode != 0:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
