"""Applications for real servers: the same endpoint, bare or under telemetry, as the environment says."""
