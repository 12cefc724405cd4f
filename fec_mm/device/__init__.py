"""Whether the models work on a device, and how fast: checks, timings, profiles, and the report that puts them together.

Nothing here calls CUDA on import.
"""
