"""What a deployment decides: settings, the clock, logging, signals."""
