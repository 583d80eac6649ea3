"""The form that starts a run: settings, presets, and what the run will take.

It may import comparison, the modules of runs, and what runs may import.
"""
