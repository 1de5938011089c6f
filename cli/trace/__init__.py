"""The way of one read through the services, from the spans that they wrote down."""
