"""Finance's reports in the admin: each a page with its table, and the same as CSV."""
