"""`python -m bench [NAME ...]`: measure the hot paths on throw-away servers that make everything durable.

Every module of this folder that has a run() is a bench: `def run() -> Iterable[Row]`. It finds an empty, migrated
database.
Ratios are comparable between machines; seconds are not. The load average tells a disturbed run.
"""

import importlib
import os
import pkgutil
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bench
from bench.rows import Row
from marketplace.embedded.services import EmbeddedServices

NOT_BENCHES = {"__main__", "databases", "rows", "uploader"}


@contextmanager
def servers() -> Iterator[None]:
    """Start PostgreSQL with fsync on, and Valkey, and name them for settings.py."""
    folder = Path(tempfile.mkdtemp(prefix="ownstream-bench-"))
    folder.chmod(0o711)
    services = EmbeddedServices(folder / "services")
    try:
        os.environ["VAR_DIR"] = str(folder / "var")
        (folder / "var" / "static").mkdir(parents=True)
        os.environ["LOG_LEVEL"] = "ERROR"
        # A few devices stand for thousands here.
        os.environ["DEVICE_BATCHES_A_MINUTE"] = str(10**6)
        os.environ["DATABASE_URL"] = services.start_postgres()
        os.environ["REDIS_URL"], os.environ["CACHE_URL"] = services.start_valkey()
        yield
    finally:
        services.stop()
        shutil.rmtree(folder, ignore_errors=True)


def bench_names() -> list[str]:
    found = (module for module in pkgutil.iter_modules(bench.__path__) if not module.ispkg)
    return [module.name for module in found if module.name not in NOT_BENCHES]


def run_bench(name: str) -> Iterator[Row]:
    """Run one bench in an empty database and free its connections."""
    from django.db import connections

    from bench.databases import empty_database

    empty_database()
    try:
        yield from importlib.import_module(f"bench.{name}").run()
    finally:
        connections.close_all()


def line(row: Row) -> str:
    verdict = "" if row.goal is None else f"goal {row.goal:g}: {'reached' if row.ratio >= row.goal else 'MISSED'}"
    return f"  {row.ratio:8.3f}  {row.name}  {verdict}  {row.note}".rstrip()


def main() -> int:
    names = sys.argv[1:] or bench_names()
    unknown = set(names) - set(bench_names())
    if unknown:
        print(f"There is no bench named {', '.join(sorted(unknown))}. There are: {', '.join(bench_names())}.")
        return 2
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")
    with servers():
        import django

        django.setup()
        for name in names:
            started = time.perf_counter()
            print(name, flush=True)
            for row in run_bench(name):
                print(line(row), flush=True)
            load, processors = os.getloadavg()[0], os.cpu_count()
            seconds = time.perf_counter() - started
            print(f"  {seconds:.0f} s; load average {load:.1f} on {processors} processors", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
