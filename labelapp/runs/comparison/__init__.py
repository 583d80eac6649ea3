"""Two to eight runs side by side: settings, figures, curves, and pairs ordered differently.

It may import the modules of runs and what runs may import.
"""
