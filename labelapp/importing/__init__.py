"""Importing files of prompts, responses and rankings, by upload or command, and sampling responses.

It may import labelling, runs, web, jobs, db and what is below them.
"""
