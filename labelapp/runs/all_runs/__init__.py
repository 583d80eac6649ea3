"""The list of a project's runs: sorted, filtered, named, pinned.

It may import starting, comparison, the modules of runs, and what runs may import.
"""
