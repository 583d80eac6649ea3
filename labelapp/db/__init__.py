"""Rows written in bulk, counts cached, writes retried and in line, locks of processes at work.

It may import rendering and models.
"""
