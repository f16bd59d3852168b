"""Texts: where they come from, the ids of their characters, and windows to train and score on."""
