"""Labelling: who is assigned which prompt, what they submit, skip and undo, and their page.

It may import web, jobs, db and what is below them.
"""
