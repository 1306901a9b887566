"""What leaves the house: documents, mails, exports."""
