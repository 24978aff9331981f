"""What tests share: a Docker engine with a broom, Git repositories."""
