"""Ranking files of every format, read as lines.

It may import rankings, errors and the standard library.
"""
