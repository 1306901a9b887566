"""What is used, in the admin: the fleet at a glance, and limits that come near."""
