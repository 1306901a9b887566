"""Invoices in the admin, line by line, and the runs that issue them."""
