"""What it costs: prices, subscriptions, invoices. It stands on hosting's selectors and services."""
