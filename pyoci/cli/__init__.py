"""The command line: the table of commands, its parser, its errors and its help.

`pyoci.cli.table` is the data; `pyoci.cli.main` is the story of one call.
"""
