"""The listeners: webhooks on one, everything else on the other."""
