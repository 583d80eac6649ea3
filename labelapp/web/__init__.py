"""Access control, middleware, the language and the static files of every page.

It may import db, rendering and models.
"""
