"""Grids: runs with every combination of some settings, started, followed and judged as one.

It may import the other rooms of runs, its modules, and what runs may import.
"""
