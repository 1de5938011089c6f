"""A simulated old national data centre that takes batches of reads as XML over HTTPS."""
