"""The forms of a project's pages.

It may import whatever the room may.
"""
