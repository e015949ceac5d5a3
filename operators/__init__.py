"""What a user can press or a script can call. Thin: context in, typed request out, errors in words."""

from __future__ import annotations


def register() -> None:
    """Add the operators and the terminal command."""
    from . import command_line, connection, files, generate, jobs, write

    for module in (generate, write, jobs, connection, files, command_line):
        module.register()


def unregister() -> None:
    """Take them out."""
    from . import command_line, connection, files, generate, jobs, write

    for module in (command_line, files, connection, jobs, write, generate):
        module.unregister()
