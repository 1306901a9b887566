"""How days and moments are written in the admin, a package a language: as on clients' pages."""
