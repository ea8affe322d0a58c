"""Memorisation: which records a model answers differently because they were in training, and whom that helps."""
