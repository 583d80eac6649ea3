"""The device, and one run in several processes.

It may import config and errors.
"""
