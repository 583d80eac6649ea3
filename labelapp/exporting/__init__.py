"""Exporting a project's rankings to a file in one of several formats, with its manifest.

It may import labelling, runs, web, jobs, db and what is below them.
"""
