"""Every page that somebody can open, for ``bench/pages.py`` and the test that counts queries."""
