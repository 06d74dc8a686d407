"""The subcommands of `metanas`, one file a group; `cli.py` puts them together."""
