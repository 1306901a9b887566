"""What can be changed to, what was tried of that, and how far a rollout is."""
