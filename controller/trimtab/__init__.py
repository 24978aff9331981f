"""Trimtab: a GitOps controller for Docker."""

__version__ = "0.1.0"
