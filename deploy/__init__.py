"""What deploys Gantry: images, manifests, monitoring."""
