"""What may leave: credentials, personal data and the user's own rules, behind one gate."""
