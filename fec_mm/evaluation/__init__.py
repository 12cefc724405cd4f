"""Measuring models: what they cost, and what their features tell apart."""
