"""How the pages write dates, by language; Django's own formats for all else.

It imports nothing.
"""
