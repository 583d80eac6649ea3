"""Filters and tags for templates.

They may import rendering, models and what is below them.
"""
