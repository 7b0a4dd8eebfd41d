"""What a span, a run, a model call and a request cost: `nox -s bench` measures it and writes README.md here.

`harness` times contenders in interleaved rounds, `providers` makes the two OpenTelemetry configurations,
`worker` runs one measuring module in a process (and for peers an environment) of its own. A table is one file in
`tables/`, a peer one file in `peers/`; both are found by themselves.
"""
