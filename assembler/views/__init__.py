"""Views: what a person or a program sees of a run, drawn from the plan and the outcomes. None imports another."""
