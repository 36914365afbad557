"""Views: the results of a run for users and programs, from the plan and the outcomes. None imports another."""
