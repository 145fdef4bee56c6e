"""Adapters of the providers that host a deployment, one module each; what they raise says nothing of the deployment."""
