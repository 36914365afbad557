"""Plan → Cell with weights: build, initialise, save, load, export."""
