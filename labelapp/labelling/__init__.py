"""Labelling: who gets which prompt, what they submit, skip and undo, and the page on which they do.

It may import web, jobs, db and what is below them.
"""
