"""Networks written down step by step, channels first, from their released weights: independent of the project's."""
