"""The soak: for minutes on end a user commits, things break, people meddle; then Git and the engine must agree."""
