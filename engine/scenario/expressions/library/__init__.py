"""The functions of the language, a file per group."""
