"""The log's keys. The signing key comes from the environment or a file of mode 0600, and only the sequencer needs it;
whoever reads the log needs the verifier key, from LEDGER_VKEY or out of the seed.
"""

import functools
import os
import re
import secrets
import stat
from pathlib import Path

from django.conf import settings

from ledger.errors import KeyMalformed, SeedUnusable
from ledger.notes import NoteSigner, VerifierKey

_SEED_HEX = re.compile(r"[0-9a-fA-F]{64}")


def log_signer() -> NoteSigner:
    """Raises SeedUnusable. The embedded run makes its key on first use; production must bring one."""
    signer = _signer(settings.LEDGER_ORIGIN, settings.LEDGER_SEED_HEX, Path(settings.LEDGER_SEED_FILE))
    if settings.LEDGER_VKEY not in {"", str(signer.verifier_key)}:
        raise SeedUnusable("The log's seed is not the one that LEDGER_VKEY and LEDGER_ORIGIN belong to.")
    return signer


def log_verifier_key() -> VerifierKey:
    """Raises KeyMalformed, SeedUnusable."""
    if not settings.LEDGER_VKEY:
        return log_signer().verifier_key
    return _published_key(settings.LEDGER_VKEY, settings.LEDGER_ORIGIN)


@functools.lru_cache(maxsize=4)
def _signer(origin: str, seed_hex: str, seed_file: Path) -> NoteSigner:
    return NoteSigner(origin, load_seed(seed_hex, seed_file))


@functools.lru_cache(maxsize=4)
def _published_key(text: str, origin: str) -> VerifierKey:
    key = VerifierKey.parse(text)
    if key.name != origin:
        raise KeyMalformed(f"LEDGER_VKEY is the key of {key.name}, and LEDGER_ORIGIN is {origin}.")
    return key


def load_seed(seed_hex: str, seed_file: Path) -> bytes:
    if seed_hex:
        return _parse_seed(seed_hex, "LEDGER_SEED_HEX")
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
    seed_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = seed_file.with_name(f".{seed_file.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as opened:
            opened.write(secrets.token_hex(32) + "\n")
            opened.flush()
            os.fsync(opened.fileno())
        # A link appears with its whole content or not at all, and never replaces a key.
        os.link(draft, seed_file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _parse_seed(text: str, source: str) -> bytes:
    if not _SEED_HEX.fullmatch(text):
        raise SeedUnusable(f"{source} must hold the 32-byte Ed25519 seed as 64 hexadecimal digits.")
    return bytes.fromhex(text)
