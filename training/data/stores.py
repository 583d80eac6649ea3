"""The folders of the token cache: made in one move, and removed once they are not used any more."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STORES_KEPT = 5
PART = ".part"
PART_SECONDS = 24 * 3600
"""Age from which a half-written store counts as abandoned."""
STORE = "store.json"
"""The file of a store that its readers lock."""


@contextmanager
def new_store(cache: Path, key: str) -> Iterator[Path]:
    """Yield a folder to write into; it becomes the store if the block succeeds."""
    part = Path(tempfile.mkdtemp(dir=cache, prefix=f"{key}.", suffix=PART))
    try:
        yield part
        shutil.rmtree(cache / key, ignore_errors=True)  # a damaged one
        try:
            part.rename(cache / key)
        except OSError:
            if not (cache / key / STORE).exists():
                raise
            # Another run has written the same store first.
    finally:
        shutil.rmtree(part, ignore_errors=True)


def clean(cache: Path) -> None:
    """Remove all stores but those last used, and those that killed runs left half written."""
    found = sorted(
        ((path.stat().st_mtime, path) for path in cache.iterdir() if path.is_dir()), reverse=True
    )
    stores = [path for _, path in found if path.suffix != PART]
    for path in stores[STORES_KEPT:]:
        _remove_unless_locked(path)
    for used, path in found:
        if path.suffix == PART and used < time.time() - PART_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


def _remove_unless_locked(folder: Path) -> None:
    """Remove a store that no run has open."""
    try:
        with open(folder / STORE, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder)
    except OSError:
        pass  # somebody reads it, or takes it away too; or it is no store
