"""Text ↔ recipe: how a recipe is written."""
