"""The command palette: pages, prompts, people, runs and projects, found by their names.

It may import what it looks in: projects, runs, web, db and models.
"""
