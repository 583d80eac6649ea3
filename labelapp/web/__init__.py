"""What every page shares: access, middleware, languages and static files.

It may import db, rendering and models.
"""
