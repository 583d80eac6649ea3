"""The pages of agreement, disagreements and adjudication.

It may import the same as the room.
"""
