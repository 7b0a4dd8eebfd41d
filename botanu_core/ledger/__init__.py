"""Who pays for which call, once: sightings of model calls become entries, counted and priced."""
