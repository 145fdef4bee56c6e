"""The embedded deployment: a document application and its services on one machine."""
