"""The embedded run's own SECRET_KEY, made on first use: one that stands in the source would be everybody's."""

import os
import secrets
import stat
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

KEY_BYTES = 64
SHORTEST_KEY = 50


def own_secret_key(var_dir: Path) -> str:
    """Return the key in VAR_DIR/keys/secret.key. Raises ImproperlyConfigured, saying what to do."""
    path = var_dir / "keys" / "secret.key"
    try:
        if not path.exists():
            _create_key(path)
        with path.open() as opened:
            mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
            key = opened.read().strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"The key file {path} cannot be read or made: {error.strerror}. "
            "Set SECRET_KEY, or VAR_DIR to a folder of yours."
        ) from error
    if mode & 0o077:
        raise ImproperlyConfigured(
            f"Others may read the key file {path} (mode {mode:04o}): remove it to get a new key."
        )
    if len(key) < SHORTEST_KEY:
        raise ImproperlyConfigured(f"The key in {path} is cut short: remove the file to get a new key.")
    return key


def _create_key(path: Path) -> None:
    """Write a new key, unless another process was first."""
    for folder in (path.parent.parent, path.parent):
        # Each by itself: with parents=True the mode would hold for the last one only.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as opened:
            opened.write(secrets.token_urlsafe(KEY_BYTES) + "\n")
            opened.flush()
            os.fsync(opened.fileno())
        # A link appears with its whole content or not at all, and never replaces a key.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
