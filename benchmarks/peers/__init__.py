"""Peers, one file each, measured in environments of their own.

A file says what to install (`REQUIREMENTS`), what it is called (`TITLE`), what was measured (`NOTE`) and makes its
`contenders(config)`. The names of the contenders are those of `benchmarks.peers.names`, so that rows line up;
a peer leaves out what it has no equivalent for. Everything stays offline, content capture is off everywhere.
"""
