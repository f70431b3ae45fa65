"""The command `metastructure`: one file a subcommand, each parses, calls one library function and prints."""

from metastructure.cli.app import main

__all__ = ["main"]
