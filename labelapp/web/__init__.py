"""Access control, signing in, middleware, the language and the static files of every page.

It may import db, rendering and models.
"""
