"""Ranking files of every kind, read by what their keys and columns mean.

It may import rankings, errors and the standard library. pyarrow and openpyxl run in processes of
their own.
"""
