"""The device to compute on, and the group of processes of a distributed run.

It may import config and errors.
"""
