"""The registry: numbered models, promotion with evidence, the reward service and its playground.

It may import runs, web, jobs, db, rendering, templatetags and models.
"""
