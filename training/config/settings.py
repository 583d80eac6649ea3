"""The settings of all groups."""

from dataclasses import dataclass

from training.config.evaluation_settings import EvaluationSettings
from training.config.learning_settings import LearningSettings
from training.config.machine_settings import MachineSettings
from training.config.model_settings import ModelSettings
from training.config.rankings_settings import RankingsSettings


@dataclass(frozen=True)
class Settings(
    MachineSettings, LearningSettings, EvaluationSettings, RankingsSettings, ModelSettings
):
    """All settings, those of the last group first; TrainConfig checks them."""
