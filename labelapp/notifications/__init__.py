"""Notifications: who is told of what, in the page, by mail and by webhook.

It may import web, db and what is below them. The rooms above call it when something happens.
"""
