"""The settings of a training run. The web imports this package."""

from training.config.commandline import (
    add_arguments,
    from_arguments,
)
from training.config.defaults import (
    BACKBONE_DEFAULTS,
    OLD_NAMES,
)
from training.config.setting import (
    option,
)
from training.config.train_config import (
    AttentionChoice,
    Backbone,
    LayoutChoice,
    OptimizerChoice,
    Pooling,
    TrainConfig,
)
from training.config.words import (
    label,
    settings_used,
    stored_aggregation,
    words,
)

__all__ = [
    "BACKBONE_DEFAULTS",
    "OLD_NAMES",
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
