"""Notifications: who is told of what, in the page and by mail.

It may import web, db and what is below them. What happens in the rooms above is told by them.
"""
