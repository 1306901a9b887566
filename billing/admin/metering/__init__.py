"""What the use of language models costs, in the admin."""
