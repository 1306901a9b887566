"""What pages are built of: tables, rows, buttons, questions, parts that renew themselves."""
