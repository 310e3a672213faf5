"""The commands. Data goes to stdout, progress and messages to stderr.

Nothing heavy is imported here: a command imports what it needs when it runs.
"""

from callaudit.cli.application import main

__all__ = ["main"]
