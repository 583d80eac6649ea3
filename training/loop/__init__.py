"""The steps of a run: the state, the loss, the optimisers, checkpoints and resuming.

It may import backbones, data, distributed, runs and what is below them.
"""
