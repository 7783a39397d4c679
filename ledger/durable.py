"""A file that survives a crash of the program or the machine. Needs nothing but Python."""

import os
from pathlib import Path


def write_durably(path: Path, text: str) -> None:
    """Replace a file as a whole, readable for its owner only; it is on the disk when this returns.

    Whoever may write the same file at once does so under a lock.
    """
    draft = path.with_name(f"{path.name}.new")
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    # A signed note holds an em dash, whatever the locale says.
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
    draft.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
