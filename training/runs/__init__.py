"""A run's folder, its progress, and stopping on a signal.

It may import config, rankings, errors and the standard library.
"""
