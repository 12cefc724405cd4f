"""Data sets that are made rather than downloaded, digits and scenes composed of them; and superclasses of others."""
