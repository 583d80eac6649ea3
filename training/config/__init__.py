"""The settings of a training run. The web imports this package.

It may import what is below it: rankings, errors, child_process and sentences.
"""

from training.config.by_data import VALIDATION_PARTS, with_steps, with_stopping
from training.config.commandline import add_arguments, from_arguments
from training.config.defaults import (
    BACKBONE_DEFAULTS,
    DECIDED_BY_DATA,
    LEARNING_RATE,
    LORA_PARAMETERS,
    OLD_NAMES,
    OPTIMIZER_RATES,
    SMALL_LEARNING_RATE,
    SMALL_PARAMETERS,
    TOKENS_PER_BATCH,
)
from training.config.evaluation_settings import EvaluationSettings
from training.config.learning_settings import LearningSettings, OptimizerChoice
from training.config.machine_settings import AttentionChoice, LayoutChoice, MachineSettings
from training.config.model_settings import Backbone, ModelSettings, Pooling
from training.config.rankings_settings import RankingsSettings
from training.config.setting import option
from training.config.train_config import TrainConfig
from training.config.words import label, left_to, settings_used, stored_aggregation, words

__all__ = [
    "BACKBONE_DEFAULTS",
    "DECIDED_BY_DATA",
    "LEARNING_RATE",
    "LORA_PARAMETERS",
    "OLD_NAMES",
    "OPTIMIZER_RATES",
    "SMALL_LEARNING_RATE",
    "SMALL_PARAMETERS",
    "TOKENS_PER_BATCH",
    "VALIDATION_PARTS",
    "AttentionChoice",
    "Backbone",
    "EvaluationSettings",
    "LayoutChoice",
    "LearningSettings",
    "MachineSettings",
    "ModelSettings",
    "OptimizerChoice",
    "Pooling",
    "RankingsSettings",
    "TrainConfig",
    "add_arguments",
    "from_arguments",
    "label",
    "left_to",
    "option",
    "settings_used",
    "stored_aggregation",
    "with_steps",
    "with_stopping",
    "words",
]
