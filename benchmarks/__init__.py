"""What the product costs, beside Kamailio in the same run; see README.md."""
