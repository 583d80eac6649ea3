"""Check rewards, gradients and losses against slow references."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial
from typing import Any

from benchmarks.measuring import send
from tests.training.backbones import equality
from training.config import TrainConfig
from training.distributed.device import Device


def equality_checks(arguments: argparse.Namespace) -> Iterator[tuple[str, str, str, Any]]:
    """Yield checks: what they check, the kind of model, its attention, and the function."""
    device = arguments.device
    cuda = device == "cuda"
    at = {"device": device}
    # The order in which a GPU sums, and its exponential function, differ from a CPU's.
    within = {"atol": 1e-4 if cuda else 1e-5}
    kinds = ("llama", "transformer", "gru") if arguments.small else equality.KINDS
    for kind in kinds:
        causal = kind in equality.CAUSAL
        for way in ("dense", "flex" if cuda else "blocks") if causal else ("auto",):
            how = {"attention": way, **at}
            separate = partial(equality.check_separate_rewards, kind, "shared", **how, **within)
            yield "rewards = one by one", kind, way, separate
            gradients = partial(equality.check_gradients, kind, **how, **within)
            yield "gradients = padded", kind, way, gradients
            yield "bf16 gradients", kind, way, partial(equality.check_bf16_gradients, kind, **how)
        # FlexAttention does not compute in float64.
        how = {"attention": "dense" if causal else "auto", **at}
        for name, ranks in equality.RANKS.items():
            config = TrainConfig(ties="davidson" if name == "ties" else "drop")
            pairs = partial(equality.check_pairs, kind, ranks, config, **how)
            yield f"K-wise = all pairs, {name}", kind, how["attention"], pairs


def check_equality(arguments: argparse.Namespace, *, flex: bool) -> None:
    Device.choose(TrainConfig(device=arguments.device))  # turns TF32 off, as in a run
    failed = 0
    for what, kind, attention, check in equality_checks(arguments):
        if (attention == "flex") != flex:
            continue  # in a process of its own: an error in a kernel makes the GPU useless to it
        row = {"check": what, "model": kind, "attention": attention}
        try:
            row |= {"largest difference": check(), "result": "equal"}
        except Exception as error:  # noqa: BLE001 - whatever it is, the others are checked
            why = f"{type(error).__name__}: {error}; {error.__cause__ or ''}"
            row |= {"result": " ".join(why.split())[:500]}
            failed += 1
        send(row)
    if failed:
        raise SystemExit(f"error: {failed} checks failed")
