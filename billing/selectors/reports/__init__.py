"""What finance's reports are made of: sums of what was issued and paid."""
