"""One optimiser step, its loss, its checkpoints and how a run resumes.

It may import backbones, data, distributed, runs and what is below them.
"""
