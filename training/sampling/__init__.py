"""Responses of models: asking a local model or an endpoint.

It may import data, distributed, commandline and what is below them.
"""
