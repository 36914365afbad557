"""Recipe + registry → tree of steps."""
