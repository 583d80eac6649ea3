"""Reviewing a model: its scores beside the ranks that people gave.

It may import labelling, runs, web, jobs, db and what is below them.
"""
