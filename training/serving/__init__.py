"""The reward service: a saved model that scores responses over HTTP, in the dialects of trainers.

It may import saving, evaluation, backbones, data, runs and what is below them.
"""
