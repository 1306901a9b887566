"""The demonstration: a client's own n8n from one command, on the real parts, and the proof of it."""
