"""Checkpoints: read safely, compared with a model, found again, written so that they can be read, and renamed."""
