"""Settings to begin with: how much time a run may take."""

from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext_lazy


@dataclass(frozen=True)
class Preset:
    """Settings that differ from the defaults, and what they are for."""

    name: str
    title: Any
    changes: Any
    settings: dict[str, Any] = field(default_factory=dict)


PRESETS = (
    Preset(
        "quick",
        gettext_lazy("Quick look"),
        gettext_lazy(
            "A linear model of features and words, from the first 512 tokens of each response,"
            " without trying a network: seconds for a few hundred rankings."
        ),
        {"backbone": "features", "max_prompt_tokens": 256, "max_response_tokens": 512},
    ),
    Preset(
        "standard",
        gettext_lazy("Standard"),
        gettext_lazy(
            "The defaults: the best linear model by cross-validation, and a network beside it from"
            " 5,000 training rankings."
        ),
    ),
    Preset(
        "thorough",
        gettext_lazy("Thorough"),
        gettext_lazy(
            "Tries the network beside the linear model on any number of rankings, for three epochs,"
            " and keeps the weights of the lowest loss: two to three times as long."
        ),
        {"backbone": "auto", "network_from": 1, "epochs": 3, "keep": "best"},
    ),
)
STANDARD = "standard"


def preset(name: str) -> Preset:
    """Return the preset of this name, or the standard one."""
    standard = next(one for one in PRESETS if one.name == STANDARD)
    return next((one for one in PRESETS if one.name == name), standard)
