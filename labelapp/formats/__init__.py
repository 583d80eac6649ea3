"""Date formats of the pages, by language; Django's own formats for everything else.

It imports nothing.
"""
