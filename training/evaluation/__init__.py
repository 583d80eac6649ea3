"""Evaluation: how well rewards agree with people, and the reports on it.

It may import loop, backbones, data, distributed, runs and what is below them.
"""
