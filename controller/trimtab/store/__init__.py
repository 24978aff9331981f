"""What Trimtab remembers, in one SQLite file that can be deleted at any time without harm."""
