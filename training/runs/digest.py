"""The digest of a saved model. Standard library only."""

from __future__ import annotations

import hashlib
from pathlib import Path

DIGEST_CHARACTERS = 16


def digest_of(folder: Path) -> str:
    """Return the beginning of the SHA-256 of a model's files, by name and content."""
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file():
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
            whole.update(f"{path.name} {content}\n".encode())
    return whole.hexdigest()[:DIGEST_CHARACTERS]
