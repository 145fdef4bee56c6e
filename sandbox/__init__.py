"""The embedded deployment: a document application and all that it needs, on one machine, while its owner lives."""
