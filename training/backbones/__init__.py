"""The models, pretrained or from scratch, each with a scalar head.

It may import data, distributed, formats, runs, config and what is below them.
"""
