"""The settings of the rankings that a run uses."""
# ruff: noqa: RUF009 - ranking_setting() makes a dataclass field; nothing is shared between instances

from dataclasses import dataclass
from functools import partial

from training.config.setting import setting
from training.rankings import Aggregation, RankedIn, Ties

ranking_setting = partial(setting, group="rankings")


@dataclass(frozen=True)
class RankingsSettings:
    """The settings of which rankings are used, and how."""

    ties: Ties = ranking_setting(
        "drop",
        "drop tied pairs, label them one half, or model their probability (Davidson)",
        words={
            "drop": "Leave them out",
            "half": "Label them one half",
            "davidson": "Model their probability (Davidson)",
        },
    )
    aggregation: Aggregation = ranking_setting(
        "all",
        "train on all rankings, the majority of labellers, or adjudicated rankings first",
        is_basic=True,
        words={
            "all": "All rankings",
            "majority": "The majority of a prompt’s labellers, as one ranking",
            "adjudicated": "The adjudicated ranking where there is one, otherwise all",
        },
    )
    labellers: str = ranking_setting(
        "",
        "names of the labellers whose rankings are used, separated by commas; empty is everybody",
    )
    ranked_from: str = ranking_setting(
        "",
        "first day of the rankings that are used, in UTC, as YYYY-MM-DD",
        is_date=True,
    )
    ranked_until: str = ranking_setting(
        "",
        "last day of the rankings that are used, in UTC, as YYYY-MM-DD",
        is_date=True,
    )
    ranked_in: RankedIn = ranking_setting(
        "all",
        "use all rankings, those made here, or imported ones",
        label="origin of rankings",
        words={"all": "All", "here": "Ranked here", "imported": "Imported"},
    )
    uploads: str = ranking_setting(
        "",
        "numbers of the uploads whose rankings are used, separated by commas; “here” means"
        " rankings by labellers in the browser, “command” those imported with a command; empty is"
        " all",
        label="import files",
    )
    sources: str = ranking_setting(
        "",
        "names of the models that wrote the responses, separated by commas: only comparisons"
        " between two responses of these models are used; empty is all",
    )
    max_prompt_tokens: int = ranking_setting(
        None,
        "maximum prompt length in tokens; the oldest tokens are cut. For a pretrained model 512, or"
        " fewer if it reads fewer",
        least=8,
        most=1048576,
    )
    max_response_tokens: int = ranking_setting(
        None,
        "maximum response length in tokens; the end is cut. For a pretrained model 512, or fewer if"
        " it reads fewer",
        least=8,
        most=1048576,
    )
