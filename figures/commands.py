"""The commands of this package, mounted by genmem.py."""

COMMANDS = {}
