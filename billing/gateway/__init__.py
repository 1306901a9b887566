"""Paying online: what a payment service can do, and Stripe; without Django and models."""
