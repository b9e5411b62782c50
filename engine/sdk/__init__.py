"""The public types: module authors import them from ``engine``, the engine's rooms from here."""
