"""The demonstration: a client's own n8n from one command, and the proof that it works."""
