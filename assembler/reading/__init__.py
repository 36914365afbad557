"""Files → data, with the place of every key."""
