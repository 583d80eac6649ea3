"""What frozen models make of texts, kept from run to run so that each text is read once.

They are the embeddings of an encoder, and the scores of a reward model.

Shapes: M texts, D width of the encoder, or 1 for a reward model.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from training.backbones.backbone import Backbone
from training.backbones.embedder import Embedder
from training.backbones.features import PodiumFeaturesForSequenceClassification
from training.backbones.scorer import Scorer

Floats = NDArray[np.float32]

MOST_TEXTS = 200_000
"""Texts of an encoder that are kept: 300 MB for a width of 384."""
FILES_KEPT = 3
"""Models whose results are kept: those last used."""
AT_A_TIME = 500
"""Texts that one query asks for."""
BUSY_SECONDS = 30
LOOK_UP = "SELECT text, vector FROM embeddings WHERE text IN (SELECT value FROM json_each(?))"


class EmbeddingCache:
    """Look up and store embeddings by the hash of their text, in an SQLite file of an encoder.

    Several runs may use one file. A file that cannot be read or written is like an empty one: the
    embeddings are then computed.
    """

    def __init__(self, folder: Path, encoder: str) -> None:
        """Open the file of an encoder, given by its digest, in a folder."""
        self.path = folder / f"embeddings-{encoder[:32]}.sqlite"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with closing(self._open()) as file, file:
                file.execute(
                    "CREATE TABLE IF NOT EXISTS embeddings"
                    " (number INTEGER PRIMARY KEY, text TEXT UNIQUE NOT NULL, vector BLOB NOT NULL)"
                )
            self.path.touch()
            found = sorted(
                folder.glob("embeddings-*.sqlite"), key=lambda path: path.stat().st_mtime
            )
            for old in found[:-FILES_KEPT]:
                old.unlink(missing_ok=True)
        except (OSError, sqlite3.Error):
            pass

    def get(self, texts: Sequence[str]) -> dict[str, Floats]:
        """Return the embeddings (D,) of those texts that are stored."""
        by_key = {_key(text): text for text in texts}
        keys = list(by_key)
        found: dict[str, Floats] = {}
        try:
            with closing(self._open()) as file:
                for start in range(0, len(keys), AT_A_TIME):
                    some = keys[start : start + AT_A_TIME]
                    for key, vector in file.execute(LOOK_UP, [json.dumps(some)]):
                        found[by_key[key]] = np.frombuffer(vector, np.float32)
        except (OSError, sqlite3.Error):
            return {}
        return found

    def put(self, texts: Sequence[str], embeddings_MD: Floats) -> None:
        """Store the embeddings (M, D) of texts, and forget the oldest beyond MOST_TEXTS."""
        rows = [
            (_key(text), vector.astype(np.float32).tobytes())
            for text, vector in zip(texts, embeddings_MD, strict=True)
        ]
        try:
            with closing(self._open()) as file, file:
                file.executemany(
                    "INSERT OR IGNORE INTO embeddings (text, vector) VALUES (?, ?)", rows
                )
                file.execute(
                    "DELETE FROM embeddings WHERE number <="
                    " (SELECT max(number) FROM embeddings) - ?",
                    [MOST_TEXTS],
                )
        except (OSError, sqlite3.Error):
            pass

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=BUSY_SECONDS)


def remember_embeddings(backbone: Backbone, folder: Path) -> None:
    """Let the encoder and the reward model in a model, if it has them, keep what they compute."""
    model = backbone.model
    if isinstance(model, PodiumFeaturesForSequenceClassification):
        for part in (model.embedder, model.scorer):
            if part is not None:
                part.cache = EmbeddingCache(folder, _digest(part))


@torch.no_grad()
def _digest(part: Embedder | Scorer) -> str:
    """Return a SHA-256, in hex, of all that a frozen model's results depend on but the text."""
    config = {**part.model.config.to_dict(), "transformers_version": ""}
    found = hashlib.sha256(json.dumps([part.most, config], sort_keys=True).encode())
    for name, weight in sorted(part.state_dict().items()):
        found.update(name.encode())
        found.update(weight.cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


def _key(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
