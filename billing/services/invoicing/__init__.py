"""From due periods to issued invoices and credit notes; and from a line to what it came from."""
