"""Start and stop the embedded PostgreSQL and Valkey."""

import hashlib
import json
import os
import secrets
import signal
import socket
import subprocess
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg

from marketplace.embedded.addresses import Services
from marketplace.embedded.processes import (
    Account,
    ServiceError,
    make_private_folder,
    run_as,
    server_account,
    start_child,
    stop_child,
    wait_until,
)
from marketplace.embedded.programs import (
    SHARED_FOLDER,
    PostgresPrograms,
    find_postgres,
    find_valkey,
    server_environment,
)

NAME = "ownstream"
# NAME owns the server, the database and its tables; the application logs in as this one (see marketplace/rights.py).
APPLICATION_ROLE = "ownstream_app"
# sun_path holds 107 bytes; the servers append up to 20 and a lock suffix.
LONGEST_SOCKET_FOLDER = 80
THROW_AWAY_OPTIONS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "wal_level=minimal")
POSTGRES_OPTIONS = (
    "listen_addresses=",
    "unix_socket_permissions=0700",
    "max_connections=200",
    "shared_buffers=256MB",
    "timezone=UTC",
    "log_timezone=UTC",
    "max_wal_senders=0",
    # Compiling a query costs more than any of ours takes.
    "jit=off",
)


@dataclass
class EmbeddedServices:
    """One pair of servers in one folder.

    is_throw_away: for tests; nothing is made durable.
    """

    folder: Path
    is_throw_away: bool = False
    account: Account | None = field(default_factory=server_account)
    children: list[tuple[str, subprocess.Popen[bytes]]] = field(default_factory=list)

    def start_postgres(self) -> str:
        """Start PostgreSQL and return its owner's URL; as_application makes the application's of it."""
        self._open_folder()
        programs = find_postgres(self.account)
        data = self.folder / "pg"
        if not (data / "PG_VERSION").exists():
            self._make_cluster(programs, data)
        self._check_version(programs, data)
        sockets = socket_folder(self.folder, self.account)
        options = [*POSTGRES_OPTIONS, f"unix_socket_directories={sockets}"]
        options += THROW_AWAY_OPTIONS if self.is_throw_away else ()
        arguments: list[str | Path] = [programs.postgres, "-D", data]
        for option in options:
            arguments += ["-c", option]
        child = self._start("PostgreSQL", arguments, on_parent_death=signal.SIGINT)

        def is_ready() -> bool:
            try:
                lines = (data / "postmaster.pid").read_text().splitlines()
            except OSError:
                return False
            # The first line tells our server's file from one that a crash left behind.
            return len(lines) >= 8 and lines[0] == str(child.pid) and lines[7].strip() == "ready"

        wait_until(is_ready, child=child, name="PostgreSQL", log=self.log("PostgreSQL"))
        self._make_database(sockets)
        return f"postgresql://{NAME}@/{NAME}?host={quote(str(sockets))}"

    def start_valkey(self) -> tuple[str, str]:
        """Start Valkey and return the broker's and the cache's URL."""
        self._open_folder()
        program = find_valkey(self.account)
        data = make_private_folder(self.folder / "valkey", self.account)
        path = socket_folder(self.folder, self.account) / "valkey"
        path.unlink(missing_ok=True)
        arguments: list[str | Path] = [program, "--port", "0", "--unixsocket", path, "--unixsocketperm", "700"]
        arguments += ["--appendonly", "no" if self.is_throw_away else "yes", "--save", ""]
        arguments += ["--maxmemory-policy", "noeviction", "--databases", "64", "--dir", data, "--daemonize", "no"]
        child = self._start("Valkey", arguments, on_parent_death=signal.SIGTERM)
        wait_until(lambda: answers_ping(path), child=child, name="Valkey", log=self.log("Valkey"))
        return f"redis+socket://{quote(str(path))}?virtual_host=0", f"unix://{quote(str(path))}?db=1"

    def stop(self) -> None:
        """Stop in reverse order. PostgreSQL's SIGINT is its fast shutdown; SIGQUIT skips the last checkpoint."""
        while self.children:
            name, child = self.children.pop()
            fast = signal.SIGQUIT if self.is_throw_away else signal.SIGINT
            stop_child(child, number=fast if name == "PostgreSQL" else signal.SIGTERM)

    def log(self, name: str) -> Path:
        return self.folder / f"{name.lower()}.log"

    def _open_folder(self) -> None:
        self.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        self.folder.chmod(0o711 if self.account else 0o700)

    def _start(self, name: str, arguments: list[str | Path], *, on_parent_death: int) -> subprocess.Popen[bytes]:
        with self.log(name).open("wb") as output:
            child = start_child(
                arguments,
                account=self.account,
                environment=server_environment(),
                output=output,
                on_parent_death=on_parent_death,
            )
        self.children.append((name, child))
        return child

    def _make_cluster(self, programs: PostgresPrograms, data: Path) -> None:
        make_private_folder(data, self.account)
        arguments: list[str | Path] = [programs.initdb, "-D", data, "-U", NAME, "--auth=trust", "--encoding=UTF8"]
        # The same rules for text on every machine; PostgreSQL brings them along from 17 on.
        if programs.major >= 17:
            arguments += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        arguments += ["--no-sync"] if self.is_throw_away else []
        made = run_as(arguments, account=self.account, environment=server_environment())
        if made.returncode != 0:
            raise ServiceError(f"PostgreSQL could not make its data folder {data}:\n{made.stdout.strip()}")

    def _check_version(self, programs: PostgresPrograms, data: Path) -> None:
        made_by = (data / "PG_VERSION").read_text().strip()
        if made_by != str(programs.major):
            raise ServiceError(
                f"The data in {data} were made by PostgreSQL {made_by}, but this server is {programs.major}. "
                f"Dump them with version {made_by} and load them again, or move the folder away to begin anew."
            )

    def _make_database(self, sockets: Path) -> None:
        with psycopg.connect(host=str(sockets), user=NAME, dbname="postgres", autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone():
                connection.execute(f"CREATE DATABASE {NAME}")


def as_application(owner_url: str) -> str:
    """Return the URL for everything but migrate, which makes the role when it is missing."""
    return owner_url.replace(f"//{NAME}@", f"//{APPLICATION_ROLE}@", 1)


def services_folder(var_dir: Path) -> Path:
    """Return where the servers keep their data: beside ours, or as root where the plain account can reach it.

    Whoever removes VAR_DIR begins anew: its name for the folder elsewhere goes with it.
    """
    if os.geteuid() != 0:
        return var_dir / "services"
    SHARED_FOLDER.mkdir(mode=0o711, parents=True, exist_ok=True)
    SHARED_FOLDER.chmod(0o711)
    name = var_dir / "services.name"
    if not name.exists():
        var_dir.mkdir(parents=True, exist_ok=True)
        name.write_text(f"{short_name(var_dir)}-{secrets.token_hex(4)}")
    return SHARED_FOLDER / name.read_text().strip()


def socket_folder(folder: Path, account: Account | None) -> Path:
    """Return a private folder for sockets whose path is short enough."""
    sockets = folder / "sockets"
    if len(os.fsencode(sockets)) > LONGEST_SOCKET_FOLDER:
        sockets = Path(tempfile.gettempdir()) / f"{NAME}-{os.geteuid()}-{short_name(folder)}"
        if len(os.fsencode(sockets)) > LONGEST_SOCKET_FOLDER:
            sockets = Path("/tmp") / sockets.name
    make_private_folder(sockets, account)
    owner = account.uid if account else os.geteuid()
    if sockets.is_symlink() or sockets.stat().st_uid != owner:
        raise ServiceError(f"{sockets} belongs to somebody else. Set TMPDIR to a folder of your own.")
    return sockets


def short_name(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:12]


def answers_ping(path: Path) -> bool:
    """Say whether a server behind the socket answers; while it loads its file it says LOADING."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def write_services(var_dir: Path, services: Services) -> Path:
    """Tell other processes where the servers listen (see addresses.find_services)."""
    var_dir.mkdir(parents=True, exist_ok=True)
    path = var_dir / "services.json"
    partial = path.with_name(f"services.json.{os.getpid()}")
    partial.write_text(json.dumps(asdict(services), indent=2) + "\n")
    partial.replace(path)
    return path
