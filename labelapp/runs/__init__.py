"""Training runs: start, follow, stop, resume and compare them, and store their scores.

It may import web, jobs, db and what is below them.
"""
