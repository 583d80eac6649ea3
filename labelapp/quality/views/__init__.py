"""The pages of agreement, disagreements and adjudication.

It may import whatever the room may.
"""
