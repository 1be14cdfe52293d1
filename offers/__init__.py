"""What to say, to whom, now: from campaigns to one decision. Pure."""
