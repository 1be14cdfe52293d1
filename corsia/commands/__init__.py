"""The commands: each reads its options, builds the parts and hands them over."""
