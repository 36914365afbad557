"""Names → layers."""
