"""The command line: a file per command. A command's file is imported when the command is asked for."""

from engine.cli.app import cli, main

__all__ = ["cli", "main"]
