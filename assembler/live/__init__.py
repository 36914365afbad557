"""The live page of ``watch --page``: a server on this machine that shows a recipe while it is edited."""
