"""Review a model: its scores next to the human rankings.

It may import labelling, runs, web, jobs, db and what is below them.
"""
