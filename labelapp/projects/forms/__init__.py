"""The forms of a project's pages.

It may import what labelapp.projects may.
"""
