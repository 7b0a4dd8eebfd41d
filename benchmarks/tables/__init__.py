"""The tables of benchmarks/README.md, one file each, found by themselves.

A file has `ORDER` (where it stands) and `table(bench) -> Table`. If it measures in a worker it also has
`contenders(config)`, and may have `SLOWNESS`, by which its iterations a round are divided.
"""
