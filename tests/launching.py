"""Launch processes as torchrun does, forked from this one. Imported where torch is wanted."""

import importlib
import sys

import torch
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

import training.programs.train  # noqa: F401 - so that the processes need not

torch.set_num_threads(1)


def launch(count: int, module: str, arguments: list[str]) -> None:
    """Run a module in so many processes. Raises torch's ChildFailedError if one fails."""
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=count,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",  # any free port
        max_restarts=0,
        start_method="fork",
    )
    elastic_launch(config, work)(module, arguments)


def work(module: str, arguments: list[str]) -> None:
    """Do the work of one of the processes; the launcher waits for its return."""
    if code := importlib.import_module(module).main(arguments):
        sys.exit(code)
