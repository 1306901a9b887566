"""Bank statements as plain values: reading files, and saying whose money a line may be."""
