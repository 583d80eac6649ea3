"""The pages of a project.

It may import whatever the room may.
"""
