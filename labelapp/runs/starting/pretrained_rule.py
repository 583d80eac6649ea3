"""A rough rule for the time and the memory of a run with a pretrained model.

Operations are counted as in Kaplan et al. 2020, arXiv 2001.08361, section 2.1: two for each
parameter and token forwards, and four backwards, half of them for the gradients of the weights.
"""

from dataclasses import dataclass

from labelapp.runs.starting.model_size import ModelSize
from training.config import LORA_PARAMETERS, TOKENS_PER_BATCH, TrainConfig

OPERATIONS = 5e10  # in a second, in float32, on one core of a CPU (docs/training.md)
NUMBER_BYTES = 4  # of a weight in float32
TRAINED_BYTES = 12  # the gradient of a weight and AdamW's two moments
ACTIVATIONS_BYTES = 68
"""Of each layer, token and unit of its width: twice the 34 bytes in 16 bits of Korthikanti et al.
2022, arXiv 2205.05198, equation 2, without the attention matrix."""


@dataclass(frozen=True)
class Learning:
    """The shares of a model's layers that learn, and through which the gradients go."""

    weights: float
    gradients: float


def learning(size: ModelSize, config: TrainConfig) -> Learning:
    """Return what the settings train of a model of this size."""
    if not trains(config) or config.freeze == "all":
        return Learning(0.0, 0.0)
    if config.freeze != "none":
        share = min(1.0, int(config.freeze) / size.layers)
        return Learning(share, share)
    if uses_lora(size, config):
        return Learning(0.0, 1.0)
    return Learning(1.0, 1.0)


def trains(config: TrainConfig) -> bool:
    """Return True if the pretrained model learns; one inside a linear model is frozen."""
    return config.backbone == "pretrained"


def uses_lora(size: ModelSize, config: TrainConfig) -> bool:
    """Return True if the settings, or the default for this size, train LoRA's matrices."""
    if config.lora_rank is None:
        return size.parameters >= LORA_PARAMETERS
    return config.lora_rank > 0


def seconds_on_one_core(
    size: ModelSize, config: TrainConfig, tokens: float, passes: float
) -> float:
    """Return the seconds of training so many passes over the tokens, and of scoring them once."""
    found = learning(size, config)
    backwards = 2 * found.gradients + 2 * found.weights
    again = 2 * found.gradients if config.gradient_checkpointing == "on" else 0.0
    in_training = passes * (2 + backwards + again) if trains(config) else 0.0
    return tokens * (in_training + 2) * size.computed / OPERATIONS


def needed_bytes(size: ModelSize, config: TrainConfig) -> float:
    """Return the bytes of weights, gradients, the optimiser's moments and activations."""
    found = learning(size, config)
    whole = found.weights == 1  # then the embeddings learn, too
    trained = size.parameters if whole else found.weights * size.computed
    kept = 1 / size.layers if config.gradient_checkpointing == "on" else found.gradients
    activations = ACTIVATIONS_BYTES * size.width * size.layers * max(kept, 1 / size.layers)
    return (
        NUMBER_BYTES * size.parameters
        + TRAINED_BYTES * trained
        + activations * (config.tokens_per_batch or TOKENS_PER_BATCH["cpu"])
    )
