"""Checks every Kubernetes overlay offline: schemas, pod security, and rules of our own."""
