"""Reading what instances use: from their servers, and from the apps themselves."""
