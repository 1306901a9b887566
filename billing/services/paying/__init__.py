"""Money that comes in, goes out or is missing: settlements, the bank, paying online, dunning."""
