"""What is kept: receipts, deliveries, runs, journal, effects, webhooks, secrets. One interface, several backends."""
