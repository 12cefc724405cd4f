"""Data sets that are made rather than downloaded, digits and scenes composed of them; superclasses of others; checks of
any."""
