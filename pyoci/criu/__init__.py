"""Talks with CRIU, the program that checkpoints and restores process trees (criu(8)).

`program` finds and starts it, `messages` is its protocol over `wire`, `externals` says what of a
container lies outside of it, `log` finds the reason in what it leaves behind.
"""
