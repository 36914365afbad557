"""Steps + input → plan: shapes, parameters and costs, without weights."""
