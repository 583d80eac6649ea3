"""The pages of a project.

It may import what labelapp.projects may.
"""
