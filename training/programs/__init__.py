"""The work behind each command, loaded once its options are checked.

It may import every other room.
"""
