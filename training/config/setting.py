"""Define and check settings."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from datetime import date
from typing import Any, Literal, get_args

from training.sentences import sentence

Switch = Literal["off", "on"]
SWITCH_WORDS = {"off": "Off", "on": "On"}
Group = Literal["rankings", "model", "learning", "evaluation", "machine"]
Kind = Literal["linear", "transformer", "rnn", "pretrained"]
LINEAR: tuple[Kind, ...] = ("linear",)
TRANSFORMER: tuple[Kind, ...] = ("transformer",)
RNN: tuple[Kind, ...] = ("rnn",)
SCRATCH: tuple[Kind, ...] = ("transformer", "rnn")
PRETRAINED: tuple[Kind, ...] = ("pretrained",)
BY_STEPS: tuple[Kind, ...] = ("transformer", "rnn", "pretrained")
"""Kinds of models that optimiser steps train; a linear model is solved for."""
EVERY: tuple[Kind, ...] = ("linear", "transformer", "rnn", "pretrained")


def setting(
    default: Any,
    text: str,
    *,
    group: Group,
    label: str = "",
    words: Mapping[str, str] | None = None,
    is_basic: bool = False,
    is_date: bool = False,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    used_by: tuple[Kind, ...] = EVERY,
) -> Any:
    """Define a field of TrainConfig: its help text, its group, its range and its use.

    `used_by` names the kinds of models that the setting has an effect on. Forms show `label` in
    place of the field's name and `words` in place of its choices, and `is_basic` settings first.
    """
    metadata: dict[str, Any] = {"help": text, "group": group, "used_by": used_by}
    metadata |= {"label": label, "words": words or {}, "is_basic": is_basic}
    metadata["is_date"] = is_date
    limits = {"least": least, "above": above, "most": most}
    return dataclasses.field(default=default, metadata={**metadata, **limits})


def option(name: str) -> str:
    """Return a field's name on the command line."""
    return "--" + name.replace("_", "-")


def is_day(text: str) -> bool:
    """Return True if a text is a day of the calendar, as YYYY-MM-DD."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def check(name: str, value: Any, expected: Any, limits: Mapping[str, Any]) -> Any:
    """Return the value, with an int as a float where the setting is one. Raises ValueError."""
    choices = get_args(expected)
    if choices:
        if value not in choices:
            raise ValueError(
                sentence(
                    "%(name)s must be one of %(choices)s, got %(value)s",
                    name=name,
                    choices=", ".join(choices),
                    value=repr(value),
                )
            )
        return value
    if expected is float and type(value) is int:
        value = float(value)
    if type(value) is not expected:
        raise ValueError(
            sentence(
                "%(name)s must be of type %(type)s, got %(value)s",
                name=name,
                type=expected.__name__,
                value=repr(value),
            )
        )
    if expected is not str:
        check_range(name, value, limits)
    return value


def check_range(name: str, value: float, limits: Mapping[str, Any]) -> None:
    """Raise ValueError where the value is not within its limits."""
    least, above, most = limits["least"], limits["above"], limits["most"]
    if least is not None:
        low, allowed = value < least, [sentence("at least %(limit)s", limit=least)]
    elif above is not None:
        low, allowed = value <= above, [sentence("above %(limit)s", limit=above)]
    else:
        low, allowed = False, []
    high = most is not None and value > most
    if most is not None:
        allowed.append(sentence("at most %(limit)s", limit=most))
    if low or high or (isinstance(value, float) and not math.isfinite(value)):
        within = allowed[0] if allowed else sentence("finite")
        if len(allowed) > 1:
            within = sentence("%(first)s and %(last)s", first=allowed[0], last=allowed[1])
        raise ValueError(
            sentence(
                "%(name)s must be %(within)s, got %(value)s", name=name, within=within, value=value
            )
        )
