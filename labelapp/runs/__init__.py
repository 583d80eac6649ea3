"""Training runs: started, watched, stopped and resumed, with their scores.

It may import web, jobs, db and what is below them.
"""
