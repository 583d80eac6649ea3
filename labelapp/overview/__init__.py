"""The first page of a project: what waits for a decision, and how far everything is.

It may import every room that the figures come from: projects, quality, registry, runs, labelling,
jobs.
"""
