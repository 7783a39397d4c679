"""The files that hold the log's seeds: read with care, written whole or not at all."""

import os
import re
import secrets
import stat
from pathlib import Path

from django.conf import settings

from ledger.durable import sync_folder
from ledger.errors import SeedUnusable

_SEED_HEX = re.compile(r"[0-9a-fA-F]{64}")


def load_seed(seed_hex: str, seed_file: Path, name: str = "LEDGER_SEED") -> bytes:
    """name: how the setting is called, without its ending. Raises SeedUnusable."""
    if seed_hex:
        return _parse_seed(seed_hex, f"{name}_HEX")
    if not seed_file.exists() and settings.IS_EMBEDDED:
        create_seed_file(seed_file)
    return read_seed_file(seed_file)


def read_seed_file(seed_file: Path) -> bytes:
    try:
        with seed_file.open() as opened:
            mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
            text = opened.read(200)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not text"
        raise SeedUnusable(
            f"The log's key file {seed_file} cannot be read: {reason}. Where nothing is signed, LEDGER_VKEY is enough."
        ) from error
    if mode & 0o077:
        raise SeedUnusable(f"Others may read the log's key file {seed_file} (mode {mode:04o}): chmod 600 it.")
    return _parse_seed(text.strip(), str(seed_file))


def create_seed_file(seed_file: Path) -> None:
    """Write a new key, unless another process was first."""
    write_once(seed_file, secrets.token_hex(32).encode() + b"\n")


def write_once(path: Path, content: bytes) -> bool:
    """Write a file that only its user may read; leave one that is there alone. Returns whether it was written."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = write_draft(path, content)
    try:
        # A link appears with its whole content or not at all, and never replaces a file.
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    sync_folder(path.parent)
    return True


def write_draft(path: Path, content: bytes) -> Path:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
    except BaseException:
        draft.unlink()
        raise
    return draft


def is_file(path: Path) -> bool:
    return stamp_of(path) is not None


def stamp_of(path: Path) -> tuple[int, ...] | None:
    """Return what changes when a file is replaced or its mode is, None when there is none that may be looked at."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode)


def _parse_seed(text: str, source: str) -> bytes:
    if not _SEED_HEX.fullmatch(text):
        raise SeedUnusable(f"{source} must hold the 32-byte Ed25519 seed as 64 hexadecimal digits.")
    return bytes.fromhex(text)
