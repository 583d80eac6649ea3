"""The settings of a training run. The web imports this package.

It may import what is below it: rankings, errors, child_process and plural.
"""

from training.config.commandline import add_arguments, from_arguments
from training.config.defaults import (
    BACKBONE_DEFAULTS,
    LORA_PARAMETERS,
    OLD_NAMES,
    TOKENS_PER_BATCH,
)
from training.config.learning_settings import OptimizerChoice
from training.config.machine_settings import AttentionChoice, LayoutChoice
from training.config.model_settings import Backbone, Pooling
from training.config.setting import option
from training.config.train_config import TrainConfig
from training.config.words import label, settings_used, stored_aggregation, words

__all__ = [
    "BACKBONE_DEFAULTS",
    "LORA_PARAMETERS",
    "OLD_NAMES",
    "TOKENS_PER_BATCH",
    "AttentionChoice",
    "Backbone",
    "LayoutChoice",
    "OptimizerChoice",
    "Pooling",
    "TrainConfig",
    "add_arguments",
    "from_arguments",
    "label",
    "option",
    "settings_used",
    "stored_aggregation",
    "words",
]
