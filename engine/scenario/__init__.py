"""Text to plan: YAML with positions, the language, expressions, checks."""
