"""Two forces' cameras and the traffic they see, drawn from one seed and sent through the vendors' SDK."""
