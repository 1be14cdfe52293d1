"""From the stream to presence, decision, outbox and push."""
