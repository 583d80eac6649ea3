"""The size of a pretrained model in a folder of this server, read without its weights."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from labelapp.models.jobs import as_object, is_number

LONGEST_HEADER = 10_000_000  # bytes: many times those of a model with a thousand layers
HEADS = ("lm_head.", "cls.")  # of the tasks that a model was trained for: a reward model has none
NAMES = {
    "layers": ("num_hidden_layers", "n_layer", "n_layers"),
    "width": ("hidden_size", "n_embd", "dim"),
    "vocabulary": ("vocab_size",),
}
"""Keys of config.json, which differ between architectures."""


@dataclass(frozen=True)
class ModelSize:
    """The numbers that decide how much time and memory a model takes."""

    parameters: int
    layers: int
    width: int
    vocabulary: int

    @property
    def computed(self) -> int:
        """Return the parameters by which a token is multiplied: all but the embeddings."""
        return max(0, self.parameters - self.vocabulary * self.width)


def model_size(model: str) -> ModelSize | None:
    """Return the size of the model in this folder.

    None for a model of the hub, and where the folder has no safetensors or no usual configuration.
    """
    if not model:
        return None
    folder = Path(model)
    try:
        config = as_object(json.loads((folder / "config.json").read_text(encoding="utf-8")))
        parameters = sum(map(count_parameters, folder.glob("*.safetensors")))
    except (OSError, ValueError):
        return None
    text_model = as_object(config.get("text_config"))  # of a model that reads images as well
    sizes = {name: number(config | text_model, keys) for name, keys in NAMES.items()}
    return ModelSize(parameters, **sizes) if parameters and all(sizes.values()) else None


def count_parameters(weights: Path) -> int:
    """Return the number of parameters of a safetensors file by its header. Raises ValueError.

    The format: 8 bytes with the length of the header, and the header, which is JSON.
    """
    with open(weights, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > LONGEST_HEADER:
            raise ValueError(weights)
        tensors = as_object(json.loads(file.read(length)))
    return sum(
        prod(shape)
        for name, tensor in tensors.items()
        if not name.startswith(HEADS)
        and isinstance(shape := as_object(tensor).get("shape"), list)
        and all(isinstance(size, int) for size in shape)
    )


def number(config: Mapping[str, Any], keys: tuple[str, ...]) -> int:
    """Return the first of these values of a configuration, or 0 where there is none."""
    return next((int(value) for key in keys if is_number(value := config.get(key))), 0)
