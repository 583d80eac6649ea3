"""Digests of files and of saved models. Standard library only."""

from __future__ import annotations

import hashlib
from pathlib import Path

DIGEST_CHARACTERS = 16


def file_sha256(path: Path) -> str:
    """Return the SHA-256, in hex, of a file's contents."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(folder: Path) -> str:
    """Return the beginning of the SHA-256 of a model's files, by name and content."""
    whole = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        if path.is_file():
            whole.update(f"{path.name} {file_sha256(path)}\n".encode())
    return whole.hexdigest()[:DIGEST_CHARACTERS]
