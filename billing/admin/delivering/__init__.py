"""What leaves in files and mails: invoices, exports, bookkeeping."""
