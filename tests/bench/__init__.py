"""Speed, measured against the targets of the project; run by `scripts/test --bench`, never a timed assertion."""
