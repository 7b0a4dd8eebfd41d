"""The border: how a run is written on the wire, found there, and who may hand us one."""
