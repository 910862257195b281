"""The container engine: the only package that talks to Docker."""
