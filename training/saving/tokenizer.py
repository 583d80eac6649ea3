"""Make a plain call of a saved tokenizer give the tokens of training.

The chat template writes all special tokens, and a tokenizer that adds its own to a text writes the
first one twice.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

TOKENIZER = "tokenizer.json"
CONFIG = "tokenizer_config.json"
ADDING = ("TemplateProcessing", "BertProcessing", "RobertaProcessing")
"""Post-processors of the tokenizers library that add special tokens."""


def add_no_special_tokens(folder: Path, texts: Sequence[str]) -> bool:
    """Change a saved tokenizer so that a plain call adds no special tokens to these texts.

    Return False, with the files as they were, if that is not possible or changes other tokens.
    """
    expected = _tokens(folder, texts, add_special_tokens=False)
    if _tokens(folder, texts) == expected:
        return True
    before = {
        path: path.read_bytes() for path in (folder / TOKENIZER, folder / CONFIG) if path.exists()
    }
    try:
        _rewrite(folder)
        same = all(
            found == expected
            for found in (
                _tokens(folder, texts),
                _tokens(folder, texts, add_special_tokens=False),
            )
        )
    except Exception:  # noqa: BLE001 - a tokenizer that is changed too far may raise anything
        same = False
    if not same:
        for path, contents in before.items():
            path.write_bytes(contents)
    return same


def _tokens(folder: Path, texts: Sequence[str], **options: Any) -> list[list[int]]:
    """Return the tokens that stock transformers makes of the texts with the saved tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    found: list[list[int]] = tokenizer(list(texts), verbose=False, **options)["input_ids"]
    return found


def _rewrite(folder: Path) -> None:
    """Take out of the saved files what makes the tokenizer add special tokens."""
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    # Llama's and Gemma's tokenizers make their post-processors from these.
    _write(folder / CONFIG, config | {"add_bos_token": False, "add_eos_token": False})
    if (folder / TOKENIZER).exists():
        found = json.loads((folder / TOKENIZER).read_text(encoding="utf-8"))
        found["post_processor"] = _without_adding(found.get("post_processor"))
        _write(folder / TOKENIZER, found)


def _without_adding(processor: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a post-processor without the parts that add special tokens, if any part is left."""
    if processor is None or processor["type"] in ADDING:
        return None
    if processor["type"] == "Sequence":
        parts = [part for part in map(_without_adding, processor["processors"]) if part]
        return processor | {"processors": parts} if parts else None
    return processor


def _write(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
