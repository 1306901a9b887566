"""Documents of invoices and credit notes, as pure functions of plain values."""
