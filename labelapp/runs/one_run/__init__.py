"""The pages of one run: its tabs, its progress and its files.

It may import starting, comparison, the modules of runs, and what runs may import.
"""
