"""Issued invoices and credit notes as files for other programs.

The same selection makes the same bytes.
"""
