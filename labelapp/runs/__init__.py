"""Training runs: start, follow, stop and resume them, and store their scores.

It may import web, jobs, db and what is below them.
"""
