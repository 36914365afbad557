"""Views: what a person or a program sees of a run. Each is drawn from the plan and the outcomes; none imports another."""
