"""Forces: which there are, and how every service learns of them."""
