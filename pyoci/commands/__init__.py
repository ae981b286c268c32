"""One module per command: reads its options, calls the lifecycle, writes what engines parse.

Every module has ``run(invocation, settings, options, arguments) -> int``; the command table in
`pyoci.cli.table` names them.
"""
