"""Saving a model so that it is known to load, with its model card.

It may import evaluation, backbones, data, runs and what is below them.
"""
