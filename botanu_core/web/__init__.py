"""What all web adapters share: their options, one request with its response, and bodies that run inside a run."""
