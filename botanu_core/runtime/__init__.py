"""A run alive: opened, joined, adopted, nested, active, ended."""
