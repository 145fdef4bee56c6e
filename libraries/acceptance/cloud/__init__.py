"""What only a cloud deployment has: a CDN, an edge, instances that come and go, a pooler."""
