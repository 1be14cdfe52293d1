"""The front door: the command line, and the one place that composes processes."""
